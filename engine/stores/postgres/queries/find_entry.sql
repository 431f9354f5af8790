-- Whether this very line is there: another owner's line of the same number has another span or epoch.
SELECT 1 FROM headrace.journal WHERE run = $1 AND seq = $2 AND span = $3 AND epoch = $4 AND key = $5 AND started = $6
