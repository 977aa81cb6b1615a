package engine_test

import (
	"bytes"

	"github.com/goscst/goscst/scsi"
)

// The data of a world's reads, where the handler says where they are.

// fuzzLoan is memory that a handler has lent.
type fuzzLoan struct {
	x      *fuzzCommand
	mapped bool
	back   bool // guarded by w.mu
}

// fuzzLate is a unit that lends its data, or asks for the buffer, as the plan of the command
// says, when it is executed and again when it is completed. It may do so in TryExec, and
// then block.
type fuzzLate struct{ *fuzzUnit }

func (u *fuzzLate) TryExec(c *scsi.Command) error {
	w := u.w
	w.mu.Lock()
	x := w.cmds[c.Tag]
	w.mu.Unlock()
	if c.Op().Op != scsi.OpRead10 || x.plan&0xC != 0xC {
		return u.Exec(c)
	}
	w.printf("try %d", c.Tag)
	w.mu.Lock()
	u.check(x)
	w.mu.Unlock()
	w.provide(x, x.plan&3)
	w.mu.Lock()
	x.tried, x.loan = x.loan, nil
	x.filled = x.filled && x.tried == nil
	w.mu.Unlock()
	return scsi.ErrWouldBlock
}

func (u *fuzzLate) Exec(c *scsi.Command) error {
	w := u.w
	w.mu.Lock()
	x := w.cmds[c.Tag]
	if x.tried != nil && (!x.tried.back || c.Data() != nil || c.DataMapped()) {
		w.fail("command %d has what TryExec has lent", c.Tag)
	}
	w.mu.Unlock()
	if c.Op().Op == scsi.OpRead10 {
		w.provide(x, x.plan>>2&3)
	}
	return u.fuzzUnit.Exec(c)
}

// provide makes the data of a command, which the caller owns: 0 does nothing, 1 fills a
// buffer, 2 lends memory and 3 such that may change, all of them full of the command's tag.
func (w *world) provide(x *fuzzCommand, how int) {
	c := x.c
	n := c.Room()
	if how == 0 || n == 0 || c.Op().Op != scsi.OpRead10 {
		return
	}
	b := bytes.Repeat([]byte{byte(c.Tag)}, n)
	w.mu.Lock()
	before := x.loan
	x.loan = nil // it may go
	w.mu.Unlock()
	if how == 1 {
		err := c.NeedData()
		w.printf("need data of %d: %v", c.Tag, err)
		if err == nil {
			_, err = c.Data().WriteAt(b, 0)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		x.filled = err == nil
		if before != nil && !before.back || c.DataMapped() {
			w.fail("command %d has not given back what it has lent", c.Tag)
		}
		return
	}
	l := &fuzzLoan{x: x, mapped: how == 3}
	lend := c.Lend
	if l.mapped {
		lend = c.LendMapped
	}
	if x.plan == 0xFF {
		b = b[1:]
	}
	err := lend([][]byte{b}, func() { w.back(l) })
	w.printf("command %d lends, mapped %v: %v", c.Tag, l.mapped, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		x.loan = before
		if l.back || before != nil && before.back || c.DataMapped() != (before != nil && before.mapped) {
			w.fail("command %d was changed by what it could not lend", c.Tag)
		}
		return
	}
	x.loan, x.filled = l, true
	w.loans = append(w.loans, l)
	switch {
	case before != nil && !before.back:
		w.fail("command %d has not given back what it has lent before", c.Tag)
	case len(b) != n || l.mapped && (!c.RawIn || x.attr != scsi.Simple):
		w.fail("command %d may not lend this", c.Tag)
	}
}

// back is the end of a loan.
func (w *world) back(l *fuzzLoan) {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := l.x
	switch {
	case l.back:
		w.fail("command %d gives back twice", x.c.Tag)
	case x.loan == l && (!x.responded || x.sending):
		w.fail("command %d gives back what is still to be sent", x.c.Tag)
	}
	l.back = true
}

// data checks the data of a response; mu is held.
func (w *world) data(x *fuzzCommand) {
	b, n := x.c.DataIn()
	if n == 0 || x.unit == nil || !x.unit.late || x.c.Op().Op != scsi.OpRead10 {
		return
	}
	if mapped := x.loan != nil && x.loan.mapped; mapped != x.c.DataMapped() {
		w.fail("command %d: mapped is %v", x.c.Tag, !mapped)
	}
	x.lingers = x.sending && x.c.DataMapped()
	got := make([]byte, n)
	_, err := b.ReadAt(got, 0)
	if err != nil || !x.filled || !bytes.Equal(got, bytes.Repeat([]byte{byte(x.c.Tag)}, n)) {
		w.fail("command %d sends other data: %v", x.c.Tag, err)
	}
}

// account checks the memory in use.
func (w *world) account() {
	if l := w.e.MemoryLimit(); l.Max() > 0 && l.Used() > l.Max() {
		w.fail("%d bytes are in use, %d are allowed", l.Used(), l.Max())
	}
}
