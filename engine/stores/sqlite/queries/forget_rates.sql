-- Without a row a rate is at rest, as it is with one that lies behind.
DELETE FROM rate WHERE next < ?
