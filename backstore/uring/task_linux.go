package uring

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/internal/osfile"
)

const (
	maxVec     = 1024    // elements of one operation of the kernel (IOV_MAX)
	keptVec    = 64      // elements of a vector that an idle task keeps
	maxBytes   = 1 << 30 // of one transfer: less than what the kernel cuts at
	maxRetries = 8       // of a step that the kernel sends back
)

// step is what a task has asked the kernel for.
type step uint8

const (
	stepNone  step = iota
	stepMove       // a part of the transfer
	stepSync       // fdatasync
	stepPunch      // free a range
	stepZero       // zero a range
)

// task is one operation on its way through the kernel, in one step or several:
//
//	begin ──> next ──(entry)──> kernel ──(result)──> took ──> next ──> … ──> done or error
//
// A task is used by one goroutine at a time. It is in Store.tasks from its first use on, and with it
// everything that the kernel reads or writes: the vector, the aligned buffer, and through the
// Completion the caller's memory.
type task struct {
	s     *Store
	c     backstore.Completion
	entry sqe
	res   int32
	err   error // of a task that is done
	list  *task // the next of a list
	group *task // a list of those that share the fdatasync of this one
	leads bool  // has the fdatasync

	call  *osfile.Call // of a step that the kernel may tell of a loss, until it is noted; nil: it is none
	begun uint64       // calls that had when the last one came back

	step    step
	n       int // bytes of the step
	retries int
	async   bool // let a worker of the kernel block for it

	cur    osfile.Cursor
	off    int64 // of what is left
	left   int64 // bytes
	ext    int   // extents that are begun
	synced bool  // no flush has to follow
	bounce bool  // direct I/O cannot use the caller's memory
	punch  bool  // free, where the file system can, instead of zeroing
	freed  bool  // something was freed or zeroed
	full   bool  // a durable write was told that there is no space; see osfile.File.OpenApart

	vec    []unix.Iovec
	fixed  bool   // all of vec is memory of the arena
	buffer []byte // aligned; nil: none
}

// begin takes an operation over, whose arguments are checked.
func (t *task) begin(c backstore.Completion) {
	t.c = c
	op := c.Op()
	t.step, t.retries, t.async, t.ext, t.bounce, t.freed, t.full, t.err = stepNone, 0, false, 0, false, false, false, nil
	t.synced = true
	switch op.Kind {
	case backstore.OpRead, backstore.OpWrite:
		t.cur, t.off, t.left = osfile.Cursor{Iov: op.Iov}, op.Off, backstore.Len(op.Iov)
		if op.Kind == backstore.OpWrite && op.FUA {
			t.synced = t.s.file.Waits() || t.s.file.Durable()
		}
	case backstore.OpFlush:
		t.left, t.synced = 0, false
	case backstore.OpUnmap:
		t.left, t.punch, t.synced = 0, true, t.s.base.Geometry().Volatile
	case backstore.OpZero:
		t.off, t.left, t.punch, t.synced = op.Off, op.Len, op.MayUnmap, t.s.base.Geometry().Volatile
	}
}

// end drops all references, and returns the right to complete the operation.
func (t *task) end() backstore.Completion {
	c := t.c
	t.c, t.cur = backstore.Completion{}, osfile.Cursor{}
	clear(t.vec)
	if t.vec = t.vec[:0]; cap(t.vec) > keptVec {
		t.vec = nil
	}
	if t.buffer != nil {
		t.s.file.Buffers.Put(t.buffer)
		t.buffer = nil
	}
	return c
}

// next fills in the entry of the next step. more is false at the end of the operation.
func (t *task) next() (more bool, err error) {
	op := t.c.Op()
	if op.Kind == backstore.OpUnmap {
		for t.left == 0 && t.ext < len(op.Extents) {
			e := op.Extents[t.ext]
			t.off, t.left = e.Off, e.Len
			t.ext++
		}
	}
	if t.left == 0 && t.synced {
		return false, nil
	}
	if err := op.Context().Err(); err != nil && !t.full {
		return false, err
	}
	t.entry = sqe{flags: sqeFixedFile, userData: t.entry.userData}
	if t.async {
		t.entry.flags |= sqeAsync
	}
	switch {
	case t.left == 0:
		t.step, t.entry.fd = stepSync, fileSync
		t.entry.opcode, t.entry.opFlags = opFsync, fsyncDatasync
		return true, t.s.base.Err()
	case op.Kind == backstore.OpRead, op.Kind == backstore.OpWrite:
		return true, t.move(op)
	case t.punch:
		t.fallocate(stepPunch, osfile.PunchHole)
	default:
		t.fallocate(stepZero, osfile.ZeroRange)
	}
	return true, nil
}

func (t *task) fallocate(s step, mode uint32) {
	t.step, t.n = s, int(min(t.left, osfile.MaxSpace))
	t.entry.opcode, t.entry.off, t.entry.addr, t.entry.len = opFallocate, uint64(t.off), uint64(t.n), mode
}

// move fills in a transfer: as much as one operation of the kernel takes without cutting a block, whose
// halves would be written in two steps.
func (t *task) move(op *backstore.Op) error {
	t.step = stepMove
	if !t.bounce {
		t.n = t.gatherVec()
		t.bounce = t.n == 0
	}
	e := &t.entry
	e.off = uint64(t.off)
	write := op.Kind == backstore.OpWrite
	if write && op.FUA && t.synced {
		e.opFlags = unix.RWF_DSYNC
	}
	switch {
	case t.bounce:
		if t.buffer == nil {
			var err error
			if t.buffer, err = t.s.file.Buffers.Get(); err != nil {
				return err
			}
		}
		room := int64(len(t.buffer)) - t.off&int64(t.s.file.BlockSize-1) // ends with a block
		t.n = int(min(t.left, room))
		if write {
			c := t.cur
			c.Gather(t.buffer[:t.n])
		}
		e.opcode, e.addr, e.len = opRead, address(t.buffer), uint32(t.n)
	case len(t.vec) == 1:
		t.cur.More()
		e.opcode, e.addr, e.len = opRead, address(t.cur.Front()), uint32(t.n)
		if t.fixed {
			e.opcode = opReadFixed
		}
	default:
		e.opcode, e.addr, e.len = opReadv, vecAddress(t.vec), uint32(len(t.vec))
		if t.fixed && t.s.q.ring.vecs {
			e.opcode = opReadvFixed
		}
	}
	if write {
		e.opcode++ // what writes follows what reads
	}
	return nil
}

// gatherVec makes the vector of a transfer of n bytes, whole blocks of what is left. n is 0 if there is
// no such vector, or if direct I/O may not take it.
func (t *task) gatherVec() (n int) {
	t.vec, t.fixed = t.vec[:0], true
	blocks, elements, total := int64(t.s.file.BlockSize-1), 0, 0
	for c := t.cur; c.More() && len(t.vec) < maxVec && total < maxBytes; {
		b := c.Front()
		b = b[:min(len(b), maxBytes-total)]
		if t.s.file.Direct && len(b)&(t.s.file.Unit-1) != 0 {
			break
		}
		t.fixed = t.fixed && t.s.arena.has(b)
		v := unix.Iovec{Base: &b[0]}
		v.SetLen(len(b))
		t.vec = append(t.vec, v)
		total += len(b)
		c.At += len(b)
		if (t.off+int64(total))&blocks == 0 {
			elements, n = len(t.vec), total
		}
	}
	t.vec = t.vec[:elements]
	return n
}

// took notes the result of a step. An error ends the operation.
func (t *task) took(res int32) error {
	if res < 0 {
		return t.refused(unix.Errno(-res))
	}
	t.retries, t.async = 0, false
	switch t.step {
	case stepSync:
		t.synced = true
		if err := t.s.base.Err(); err != nil || !t.full {
			return err
		}
		return backstore.ErrNoSpace // it was refused
	case stepPunch, stepZero:
		t.off, t.left, t.freed = t.off+int64(t.n), t.left-int64(t.n), true
		return nil
	}
	n := int(res)
	switch {
	case n == 0 && t.c.Op().Kind == backstore.OpRead:
		return io.ErrUnexpectedEOF // the file is shorter than the disk
	case n == 0:
		return io.ErrShortWrite
	}
	if t.bounce && t.c.Op().Kind == backstore.OpRead {
		t.cur.Scatter(t.buffer[:n])
	} else {
		t.cur.Skip(n)
	}
	t.off, t.left = t.off+int64(n), t.left-int64(n)
	if t.left == 0 && t.waits() {
		return t.s.base.Err() // another one may have taken our error
	}
	return nil
}

// waits tells a write that waits until it is durable: its error may be that of other data.
func (t *task) waits() bool {
	op := t.c.Op()
	return op.Kind == backstore.OpWrite && (op.FUA && t.synced || t.s.file.Waits())
}

// told tells a step that the kernel may tell of a loss, and for which such a step of another task has to be
// waited for. Past the page cache each is told of its own.
func (t *task) told() bool {
	return t.step == stepSync && !t.s.file.Apart() || t.step == stepMove && t.s.file.Cached() && t.waits()
}

// refused handles the error of a step: nil means that next goes on.
func (t *task) refused(no unix.Errno) error {
	switch no {
	case unix.EINTR, unix.EAGAIN, unix.ECANCELED:
		// The thread that submitted the step has ended, or the kernel could not do it without blocking.
		if t.async = true; t.retries < maxRetries {
			t.retries++
			return nil
		}
		if t.full { // and nobody has found out
			return t.s.base.Note(backstore.ErrNoSpace)
		}
		return backstore.ErrBusy
	}
	switch t.step {
	case stepSync:
		return t.s.base.Note(no)
	case stepPunch, stepZero:
		switch {
		case no != unix.EOPNOTSUPP:
			return osfile.MapError(no)
		case t.step == stepPunch:
			t.punch = false
			return nil
		case t.freed:
			return osfile.TooLate
		}
		return errors.ErrUnsupported
	}
	if no == unix.EINVAL && t.s.file.Direct && !t.bounce {
		t.bounce = true // the memory is not aligned as direct I/O wants it
		return nil
	}
	if t.waits() && t.s.file.LosesData(no) {
		return t.s.base.Note(no)
	}
	err := osfile.MapError(no)
	if t.told() && errors.Is(err, backstore.ErrNoSpace) {
		if !t.s.file.Apart() {
			return t.s.base.Note(err)
		}
		t.full, t.left, t.synced = true, 0, false // it was refused, or something is lost: a flush finds out
		return nil
	}
	return err
}
