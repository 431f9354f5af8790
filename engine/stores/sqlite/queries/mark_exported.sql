UPDATE run SET exported = :seq WHERE num = :num AND exported < :seq
