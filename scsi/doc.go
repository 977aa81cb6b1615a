// Package scsi is the vocabulary of goscst and the contract between its layers: CDBs
// and their table, sense codes, statuses, logical unit numbers, tasks, and the
// Handler that a logical unit implements.
//
// Writers of device types import it, and usually scsi/unit, which has the commands
// that every logical unit needs. Writers of block storage need only package backstore.
// The package starts no goroutine, does no I/O and logs nothing.
//
// # Glossary
//
// A nexus (I_T nexus) is the relation of an initiator port and a target port, what
// iSCSI calls a session; with a logical unit it is an I_T_L nexus. A task is a command
// from its arrival to its response. A task set is the tasks among which task attributes
// order the execution. A unit attention condition tells an initiator, with its next
// command, what has changed behind its back. Data-in goes to the initiator, data-out
// comes from it.
//
// # A handler
//
// A handler receives a Command, looks at CDB or at the decoded LBA and Blocks, fills or
// reads Data, and returns an error value that says how the command ends:
//
//	func (d *Dice) Exec(c *scsi.Command) error {
//		if c.CDB()[0] != 0xC0 {
//			return scsi.InvalidOpcode
//		}
//		return c.Reply([]byte{byte(1 + rand.IntN(6))})
//	}
//
// # Memory of a handler
//
// Data is a buffer of the engine, to be filled. A handler that has the bytes in memory already
// lends them in its place with [Command.Lend], and they are sent from there; memory that
// only the system may read, such as the mapping of a file, goes with [Command.LendMapped] to
// transports that take it. To get a buffer that is then not used costs time and memory: with
// [Description].LateData commands that read blocks come without one. [Command.Room] says how long
// it would be, 0 for an initiator that takes nothing, and what is not lent goes into the one that
// [Command.NeedData] gets; the example of NeedData is a whole handler. Other commands have
// their buffer as before, and [Command.Reply] gets one if it is missing. A command that ends
// well with neither has failed, and the initiator is told of an internal error.
package scsi
