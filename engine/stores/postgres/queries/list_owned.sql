-- include owned
ORDER BY run.num
