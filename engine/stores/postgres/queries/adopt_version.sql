UPDATE headrace.run SET version = $2, fingerprint = $3, python = $4 WHERE num = $1
