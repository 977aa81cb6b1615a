// Package engine is the command engine: devices, targets, initiator groups with their
// LUN maps, sessions, and the state machine that takes each command from a transport
// to a handler and back.
//
// Applications and transports import it. Device types and stores do not: they meet the
// engine through package scsi.
//
// # Life of a command
//
//	NewCommand         Free       the transport fills the command in
//	Submit             Parse      CDB table, place in the task set, lengths, buffers
//	  RequestData      DataWait   the transport fetches data-out            (writes only)
//	                   OrderWait  ORDERED and HEAD OF QUEUE tasks come first (if there are any)
//	                   BlockWait  the device is blocked                      (if it is)
//	                              gates: unit attentions, write protection
//	                   LaneWait   a worker is awaited                        (if it would block)
//	  Handler.Exec     Exec       here and now, on a worker, or until Pending.Done
//	                              result: status, sense, residual
//	  Respond          Respond    the transport is told, then it leaves the task set
//	                   SendWait   the transport sends                        (if it takes time)
//	  ResponseSent     Sent       counted, buffers given back: Free
//
// Submit runs all of it on the transport's goroutine if nothing makes the command
// wait: no queue and no other goroutine is involved when the handler does not block.
// A command belongs to one goroutine at a time; in a state whose name ends in Wait, to
// nobody, and whoever ends the wait takes it over. The order of tasks is that of
// Submit; admission is checked when a task's turn has come, since what it checks may
// be the work of the tasks before it.
//
// A response may take its data from memory that changes (scsi.Command.LendMapped). What the
// initiator sees then is decided when it is sent, and so the task stays in the order until
// ResponseSent: an ORDERED task waits that long, at most as long as the transport lets an
// initiator take to read. Task management does not wait: the result of such a task is decided.
//
// # Task management
//
// An abort marks its victims under the lock of their task set, ends those that do not
// run, cancels the context of those that run, and answers when the last one has left
// the task set, which it does after its response was asked for. So the answer is the
// truth: what was aborted does not touch the medium afterwards, its buffers have not
// been used for anything else meanwhile, and no response follows that of the function.
// The tasks of a logical unit number are those that the initiator has sent there, also if
// it is another device's by now, or nobody's.
//
// # Who waits
//
// Session's methods never block; they are for transports. Calls that change the
// configuration take effect at once and then wait, as long as their context allows, for
// the commands that are running: Group.Unmap, Group.Replace, Group.Remove, Device.Remove,
// Device.Block, Target.Disable, Target.Remove, Engine.Shutdown and, without a limit,
// Engine.Close. They must not be called from methods of handlers and endpoints or from
// event functions, which they wait for.
//
// # Locks
//
// In this order, each one optional: Engine.ending, Session.move, Engine.mu, Target.mu,
// Group.mu, of the group that was made first before that of another one, Session.lunmu,
// Device.mu, taskSet.mu, then those under which nothing else is locked: of lanes, nexus.uamu
// and Session.mu. None is held across a call of a handler, an endpoint or an event function,
// with one exception: Session.move and Group.mu are held while Attach is called, also that of
// the group that the session leaves. Commands take taskSet.mu when they enter and when they
// leave, and Session.mu, under which they are counted, when they are made and freed, or once
// for many that are freed together; what else they need are atomic operations on what only
// they or their nexus use.
//
// # Cost
//
// What a command costs does not depend on how many logical units, sessions, devices or other
// commands there are. A change of the configuration costs what it changes: mapping a number
// copies one page of the table of each session that sees it, a login makes what its
// initiator sees, an initiator's name is looked up. A transport that takes many commands
// from one read of its socket, and sends many responses in one write, says so with
// scsi.Request.Arrived and Session.ResponsesSent, which saves a third of the cost of each.
package engine
