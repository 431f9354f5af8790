UPDATE run SET version = :version, fingerprint = :fingerprint, python = :python WHERE num = :num
