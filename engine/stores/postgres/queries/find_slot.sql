SELECT 1 FROM headrace.slot WHERE pool = $1 AND run = $2 AND key = $3
