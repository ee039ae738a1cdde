WITH numbered AS (
  SELECT driver, day, row_number() OVER (PARTITION BY driver ORDER BY day) AS number
  FROM (SELECT DISTINCT driver, day FROM rides)
),
runs AS (
  SELECT driver, min(day) AS first_day, max(day) AS last_day, count(*) AS days
  FROM numbered
  GROUP BY driver, day - number
)
SELECT r.driver, r.first_day, r.last_day, r.days
FROM runs AS r
WHERE days = (SELECT max(days) FROM runs WHERE driver = r.driver);
