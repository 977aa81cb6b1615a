// Package fabric is the contract between the engine and its transports: what the
// engine asks of a transport's side of one I_T nexus, who the initiator is, and what a
// task management request looks like.
//
// Writers of transports import it together with scsi/engine; nobody else needs it. A
// transport logs an initiator in with engine.Target.Login, makes commands with
// Session.NewCommand, fills them in and calls Session.Submit; everything else comes
// back through its Endpoint.
package fabric
