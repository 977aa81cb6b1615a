package osfile

// prepare fills in what the file of a disk has only here.
func prepare(d *disk) { d.BlockSize = 512 }

// refuseSyncWrites has the system not know durable writes.
func refuseSyncWrites(d *disk) { d.noSyncWrite.Store(true) }
