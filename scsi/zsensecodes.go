package scsi

func senseText(asc, ascq uint8) string { return "" }
