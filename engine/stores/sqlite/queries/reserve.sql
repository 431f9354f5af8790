-- `next` is when the next start would be due if all came evenly. Who is early by less than the burst starts at once.
INSERT INTO rate (name, next)
VALUES (:name, :now + :interval)
ON CONFLICT (name) DO UPDATE SET next = max(next, :now) + :interval
RETURNING next
