"""What runs inside a container. It is sent in as text; nothing outside imports it to run it."""
