// Package fabric is the contract between the engine and its transports: what the
// engine asks of a transport's side of one I_T nexus, who the initiator is, and what a
// task management request looks like.
//
// Writers of transports import it together with scsi/engine; nobody else needs it. A
// transport logs an initiator in with engine.Target.Login, makes commands with
// Session.NewCommand, fills them in and calls Session.Submit; everything else comes
// back through its Endpoint. Every some seconds it calls Session.Trim.
//
// # Many commands at once
//
// A transport that takes many commands from one read of its socket looks at the clock once,
// with Session.Now, and tells each of them with scsi.Request.Arrived. One that sends many
// responses in one write says so with Session.ResponsesSent in place of a call of
// scsi.Command.ResponseSent for each. Both together save a third of what the engine does for a
// command. BenchmarkBatch of scsi/engine has such a transport.
//
// # Data that is lent
//
// Data-in may be memory that a handler has lent. It is the transport's until it says that the
// response has left, and is only read. With scsi.Request.RawIn a transport also takes memory that
// nobody but the system may touch, and that may change until it is sent: Command.DataMapped tells
// it apart. A transport that computes a digest, copies, or does not send by system calls, does not
// set RawIn. When such a call fails with EFAULT, the file behind the memory was cut off or its
// drive fails: part of the answer may have left, so that it cannot become another one, and the
// nexus has to end.
package fabric
