-- the last hour
SELECT region, avg(temperature) FROM "farm"."climate" WHERE time > ago(1h) GROUP BY region;

SELECT 'a;b' AS x; /* nothing; here */
SELECT approx_most_frequent(3, sensor, 10)
FROM "farm"."climate"
WHERE wrong(time);
