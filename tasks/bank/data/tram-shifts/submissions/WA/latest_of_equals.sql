WITH numbered AS (
  SELECT driver, day, row_number() OVER (PARTITION BY driver ORDER BY day) AS number
  FROM (SELECT DISTINCT driver, day FROM rides)
),
runs AS (
  SELECT driver, min(day) AS first_day, max(day) AS last_day, count(*) AS days
  FROM numbered
  GROUP BY driver, day - number
),
ranked AS (
  SELECT *, row_number() OVER (PARTITION BY driver ORDER BY days DESC, first_day DESC) AS place
  FROM runs
)
SELECT driver, first_day, last_day, days
FROM ranked
WHERE place = 1;
