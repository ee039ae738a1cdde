SELECT driver, day
FROM rides;
