WITH paid AS (SELECT customer_id, amount FROM orders WHERE status = 'paid')
SELECT
  name,
  (SELECT count(*) FROM paid WHERE customer_id = customers.id) AS orders,
  (SELECT ifnull(sum(amount), 0) FROM paid WHERE customer_id = customers.id) AS total
FROM customers
ORDER BY 3 DESC, 1, id
