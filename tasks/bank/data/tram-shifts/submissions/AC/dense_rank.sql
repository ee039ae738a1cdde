WITH numbered AS (
  SELECT DISTINCT driver, day, dense_rank() OVER (PARTITION BY driver ORDER BY day) AS number
  FROM rides
),
runs AS (
  SELECT driver, min(day) AS first_day, max(day) AS last_day, count(*) AS days
  FROM numbered
  GROUP BY driver, day - number
)
SELECT driver, min(first_day) AS first_day, last_day, days
FROM runs AS r
WHERE days = (SELECT max(days) FROM runs WHERE driver = r.driver)
GROUP BY driver;
