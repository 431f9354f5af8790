DELETE FROM headrace.slot WHERE node = $1
