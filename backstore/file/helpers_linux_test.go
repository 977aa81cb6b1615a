package file

// haveVectors: vectors go to the system as they are.
const haveVectors = true

// refuseSyncWrites makes the store believe that the system has no RWF_DSYNC.
func (s *Store) refuseSyncWrites() { s.h.noSyncWrite.Store(true) }
