package scsi

import (
	"context"
	"errors"
	"time"

	"github.com/goscst/goscst/internal/task"
	"github.com/goscst/goscst/sgv"
)

// Command is one task. Handlers and transports see the same value; nobody may keep it
// past Pending.Done (handlers) or ResponseSent (transports). Commands are pooled by
// the session that makes them and cost no allocation.
type Command struct {
	Request     // filled in by the transport before Submit, read-only afterwards
	Driver  any // the transport's own per-command state; kept when the command is reused

	op    *OpInfo
	cdb   []byte
	lba   uint64
	count uint32
	naca  bool
	short [16]byte
	long  []byte

	st task.State
}

// Request is what the transport knows of a command.
type Request struct {
	Tag                     uint64
	LUN                     LUN
	Attr                    TaskAttr
	Dir                     Direction // as signalled by the initiator, if ExpectedSet
	ExpectedIn, ExpectedOut uint32    // bytes that the initiator is ready to receive and to send
	ExpectedSet             bool      // Dir and the expected lengths are known

	// Arrived is when the transport received the command, by the clock of its session, which
	// a transport that receives many at once reads once, when it has them; 0: when it is
	// submitted. Handlers trust it: they may answer with what held at any time since, and take
	// it for the answer to every command that had arrived by then. It is 0 for the handler also
	// if the command had to wait for others since.
	Arrived time.Duration

	// RawIn says that the transport hands data-in to system calls as it is and never looks
	// at it, so that it may be memory of LendMapped.
	RawIn bool
}

var _ = task.Provide(func(c any) *task.State { return &c.(*Command).st })

// SetCDB copies the CDB, of which at most MaxCDB bytes are kept. For transports, for each
// command: what it holds before is undefined.
func (c *Command) SetCDB(cdb []byte) {
	if len(cdb) <= len(c.short) {
		c.cdb = c.short[:copy(c.short[:], cdb)]
	} else {
		c.long = append(c.long[:0], cdb[:min(len(cdb), MaxCDB)]...)
		c.cdb = c.long
	}
	c.op, c.naca, c.lba, c.count = Unknown, false, 0, 0
}

// CDB is the command descriptor block. It must not be changed.
func (c *Command) CDB() []byte { return c.cdb }

// Op is the row of the CDB table, Unknown if there is none; never nil after Submit.
func (c *Command) Op() *OpInfo { return c.op }

// LBA is the LOGICAL BLOCK ADDRESS field, zero if the command has none. It is not
// checked against the capacity, which only the handler knows.
func (c *Command) LBA() uint64 { return c.lba }

// Count is the field for transfer, allocation or parameter list length, or number of
// blocks, whichever the command has; 256 where READ(6) and WRITE(6) say 0.
func (c *Command) Count() uint32 { return c.count }

// Blocks is Count of a command that counts logical blocks.
func (c *Command) Blocks() uint32 { return c.count }

// NACA reports whether a CHECK CONDITION of this command establishes an auto
// contingent allegiance (SAM-5 5.2).
func (c *Command) NACA() bool { return c.naca }

// Data is the data-in buffer to fill, or the data-out received; nil if the command
// transfers nothing, and before NeedData with Description.LateData. What the buffer holds
// before it is filled is undefined.
func (c *Command) Data() *sgv.Buf { return c.st.Data }

// DataOut is the data-out of a bidirectional command, whose Data is the data-in.
func (c *Command) DataOut() *sgv.Buf { return c.st.DataOut }

// Room is the length of Data in bytes, also when it is not there yet: see NeedData.
func (c *Command) Room() int {
	if c.st.Data != nil {
		return c.st.Data.Len()
	}
	return c.st.Room
}

// NeedData gets the buffer for data-in if it is not there, also in place of memory that has
// been lent: only a handler with Description.LateData, or one that has changed its mind about
// what it lends, has to call it. Its error is the one to return from Exec: it says that
// there is no memory, in the status that makes the initiator try again later. It is called
// before Exec returns, or between Defer and Pending.Done; it does not block.
func (c *Command) NeedData() error {
	if c.st.Fillable() || c.Room() == 0 {
		return nil
	}
	return c.st.Owner.NeedData()
}

// SetDataIn says how many bytes of Data are the answer; more than there are count as all.
// Without it, all of Data is the answer of a command that reads blocks, and nothing of any
// other.
func (c *Command) SetDataIn(n int) { c.st.DataIn = n }

// Lend makes memory that the handler lends the data-in, in place of Data, so that it need
// not be copied: segs together are as long as Room. The bytes must not change until
// release is called, once and from any goroutine, when the response has left or the
// command has ended otherwise; it must not block. segs itself is free when Lend returns.
// After an error, release has not been called and Data is as it was. What TryExec has lent
// before it returns ErrWouldBlock is given back: Exec finds the command as TryExec did.
func (c *Command) Lend(segs [][]byte, release func()) error {
	return c.st.Owner.Lend(segs, release, task.Lent)
}

// Vector is an empty vector that the command has from the commands before it, so that a handler
// can make the segs of Lend without allocating: it may append to it, and leave there what it has
// grown to, empty again and with its elements cleared. It is the handler's until Exec returns,
// or Pending.Done is called.
func (c *Command) Vector() *[][]byte { return &c.st.Vector }

// LendMapped is Lend of memory that nobody but the system may touch, as
// backstore.MapLender has it, and whose bytes may change until release is called: what the
// initiator sees is what is there when it is sent. The command stays in its task set until
// then, so that a task which has to come after it does. It is refused unless RawIn is set
// and the task attribute leaves that freedom, SIMPLE.
func (c *Command) LendMapped(segs [][]byte, release func()) error {
	if !c.RawIn {
		return errors.ErrUnsupported
	}
	return c.st.Owner.Lend(segs, release, task.Mapped)
}

// DataMapped reports whether data-in is memory of LendMapped. For transports: such data is
// given to system calls only.
func (c *Command) DataMapped() bool { return c.st.Loan() == task.Mapped }

// Reply makes b the answer, cut to what the initiator allows (SPC-4 4.2.5.6). It is
// for parameter data; the return value is that of NeedData, so that a handler may end with
//
//	return c.Reply(b)
func (c *Command) Reply(b []byte) error {
	if err := c.NeedData(); err != nil {
		return err
	}
	n := 0
	if c.st.Data != nil {
		n = min(len(b), c.st.Data.Len())
		if n > 0 {
			n, _ = c.st.Data.WriteAt(b[:n], 0)
		}
	}
	c.st.DataIn = n
	return nil
}

// Params copies the data-out into dst, which is grown as needed, and returns it. It
// is for parameter lists, which are short; of a bidirectional command use DataOut.
func (c *Command) Params(dst []byte) []byte {
	dst = dst[:0]
	if c.st.Data == nil {
		return dst
	}
	for _, s := range c.st.Data.Segs() {
		dst = append(dst, s...)
	}
	return dst
}

// Nexus is the I_T_L nexus of the command; nil in a command that no engine runs.
func (c *Command) Nexus() *Nexus {
	n, _ := c.st.Nexus.(*Nexus)
	return n
}

// Context is cancelled when the command is aborted, and when it is over: what a handler
// has made depend on it ends then. It costs an allocation only if somebody waits on it.
func (c *Command) Context() context.Context { return c.st.Context() }

// Aborted reports, cheaply, whether the command has been aborted: what a handler that
// works in steps asks between them.
func (c *Command) Aborted() bool { return c.st.Context().Err() != nil }

// For transports.

// ReceiveBuffer is where the data-out goes that Endpoint.RequestData asks for: DataOut of
// a bidirectional command, Data of any other. What the command is, its CDB tells and not
// the direction that the initiator has announced.
func (c *Command) ReceiveBuffer() *sgv.Buf {
	if c.st.DataOut != nil {
		return c.st.DataOut
	}
	return c.st.Data
}

// DataReceived answers Endpoint.RequestData: the data-out is in the buffer, or err
// says why it will not come. It may be called from any goroutine, once.
func (c *Command) DataReceived(err error) { c.st.Owner.DataReceived(err) }

// ResponseSent answers Endpoint.Respond: the response has left, or err says why it
// could not. The command is gone afterwards. For many at once, the engine's Session has a
// method that costs less.
func (c *Command) ResponseSent(err error) { c.st.Owner.ResponseSent(err) }

// Status is the status to send.
func (c *Command) Status() Status { return Status(c.st.Status) }

// SenseData is the sense data to send, in fixed or descriptor format; nil if none.
func (c *Command) SenseData() []byte { return c.st.Sense }

// DataIn is the data-in to send: the first n bytes of b.
func (c *Command) DataIn() (b *sgv.Buf, n int) {
	if c.st.DataIn <= 0 || c.st.Data == nil {
		return nil, 0
	}
	return c.st.Data, c.st.DataIn
}

// Residual is the difference between what the initiator expected and what the command
// transferred: positive for underflow, negative for overflow, for a bidirectional
// command of its data-in.
func (c *Command) Residual() int64 { return c.st.Residual }

// ResidualOut is the residual of the data-out of a bidirectional command.
func (c *Command) ResidualOut() int64 { return c.st.ResidOut }

// Silent reports that nothing may be sent for the command, because its own nexus
// aborted it: the transport releases what it holds for it and calls ResponseSent.
func (c *Command) Silent() bool { return c.st.Silent }
