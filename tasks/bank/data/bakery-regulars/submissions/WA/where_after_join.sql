SELECT c.name, count(o.id) AS orders, coalesce(sum(o.amount), 0) AS total
FROM customers AS c
LEFT JOIN orders AS o ON o.customer_id = c.id
WHERE o.status = 'paid'
GROUP BY c.id
ORDER BY total DESC, c.name, c.id;
