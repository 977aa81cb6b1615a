package uring

import (
	"bytes"
	"context"
	"flag"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/internal/leak"
)

var seedFlag = flag.Uint64("uring.seed", 0, "seed of the random tests; 0: a new one")

// counter completes any number of Ops.
type counter struct {
	wg   sync.WaitGroup
	errs atomic.Int64
	last atomic.Pointer[error]
}

func (c *counter) OpDone(_ *backstore.Op, err error) {
	if err != nil {
		kept := err // only an error costs an allocation
		c.errs.Add(1)
		c.last.Store(&kept)
	}
	c.wg.Done()
}

func (c *counter) submit(ctx context.Context, s backstore.Submitter, op *backstore.Op) {
	c.wg.Add(1)
	op.Arm(ctx, c)
	s.Submit(op)
}

func reads(n int) []*backstore.Op {
	ops := make([]*backstore.Op, n)
	for i := range ops {
		ops[i] = &backstore.Op{Kind: backstore.OpRead, Off: int64(i) * 4096, Iov: [][]byte{make([]byte, 4096)}}
	}
	return ops
}

// TestCloseDrains: Close waits for what was submitted, also for what waits for a task, and leaves nothing open.
func TestCloseDrains(t *testing.T) {
	leak.Files(t)
	for _, depth := range []int{1, 2, 64} {
		s := open(t, newFile(t, 1<<20, false), &Options{Depth: depth})
		var c counter
		for _, op := range reads(256) {
			c.submit(t.Context(), s, op)
		}
		require.NoError(t, s.Close())
		c.wg.Wait()
		require.Zero(t, c.errs.Load())
		op := reads(1)[0]
		c.submit(t.Context(), s, op)
		c.wg.Wait()
		require.ErrorIs(t, *c.last.Load(), backstore.ErrClosed)
	}
}

// TestCanceledWhileWaiting: what has not reached the kernel when its context ends never does.
func TestCanceledWhileWaiting(t *testing.T) {
	s := newStore(t, 1<<20, &Options{Depth: 1})
	ctx, cancel := context.WithCancel(t.Context())
	gate, inside := make(chan struct{}), make(chan struct{}, 16)
	enter := s.q.give
	s.q.give = func(n int) (int, error) {
		inside <- struct{}{}
		<-gate
		return enter(n)
	}
	var first, rest counter
	ops := reads(16)
	first.wg.Add(1)
	ops[0].Arm(context.Background(), &first)
	var submitted sync.WaitGroup
	submitted.Go(func() { s.Submit(ops[0]) })
	<-inside // the first has the only task
	for _, op := range ops[1:] {
		rest.submit(ctx, s, op)
	}
	cancel()
	close(gate)
	submitted.Wait()
	first.wg.Wait()
	rest.wg.Wait()
	require.Zero(t, first.errs.Load())
	require.EqualValues(t, 15, rest.errs.Load())
	require.ErrorIs(t, *rest.last.Load(), context.Canceled)
}

// TestBurst: while the kernel is busy, what is submitted in a row goes to it together.
func TestBurst(t *testing.T) {
	s := newStore(t, 1<<20, nil)
	gate, inside := make(chan struct{}), make(chan struct{}, 64)
	var batches []int
	enter := s.q.give
	s.q.give = func(n int) (int, error) { // never two at once
		batches = append(batches, n)
		inside <- struct{}{}
		<-gate
		return enter(n)
	}
	var c counter
	ops := reads(33)
	var first sync.WaitGroup
	c.wg.Add(1)
	ops[0].Arm(t.Context(), &c)
	first.Go(func() { s.Submit(ops[0]) })
	<-inside
	for _, op := range ops[1:] {
		c.submit(t.Context(), s, op)
	}
	close(gate)
	c.wg.Wait()
	first.Wait()
	require.NoError(t, s.Close())
	require.Equal(t, []int{1, 32}, batches)
	require.Zero(t, c.errs.Load())
}

// TestKernelTakesLess: what the kernel did not take, or had no memory for, is offered again.
func TestKernelTakesLess(t *testing.T) {
	for _, err := range []error{nil, unix.EINTR, unix.EAGAIN, unix.EBUSY, unix.ENOMEM} {
		s := newStore(t, 1<<20, &Options{Depth: 8})
		enter, calls := s.q.give, 0
		s.q.give = func(n int) (int, error) {
			if calls++; calls%2 == 1 {
				if err != nil {
					return 0, err
				}
				return enter(1)
			}
			return enter(n)
		}
		var c counter
		for _, op := range reads(64) {
			c.submit(t.Context(), s, op)
		}
		c.wg.Wait()
		require.Zero(t, c.errs.Load(), "%v", err)
	}
}

// TestRingFails: an error that does not go away ends the operations, and leaves the store in order.
func TestRingFails(t *testing.T) {
	s := newStore(t, 1<<20, &Options{Depth: 8})
	enter := s.q.give
	s.q.give = func(int) (int, error) { return 0, unix.EBADF }
	var c counter
	for _, op := range reads(64) {
		c.submit(t.Context(), s, op)
	}
	c.wg.Wait()
	require.EqualValues(t, 64, c.errs.Load())
	require.ErrorIs(t, *c.last.Load(), unix.EBADF)
	s.q.mu.Lock()
	require.Zero(t, s.q.pending+s.q.running)
	s.q.give = enter
	s.q.mu.Unlock()
	require.NoError(t, s.Readv(t.Context(), [][]byte{make([]byte, 4096)}, 0))
}

// TestFlushesShare: one fdatasync runs at a time, and the next serves all that came meanwhile.
func TestFlushesShare(t *testing.T) {
	for _, fails := range []bool{false, true} {
		s := newStore(t, 1<<20, nil)
		gate, inside := make(chan struct{}), make(chan struct{}, 64)
		var given []int
		enter := s.q.give
		s.q.give = func(n int) (int, error) {
			given = append(given, n)
			inside <- struct{}{}
			<-gate
			if fails {
				return 0, unix.EBADF
			}
			return enter(n)
		}
		var c counter
		ops := make([]backstore.Op, 20)
		for i := range ops {
			ops[i].Kind = backstore.OpFlush
		}
		c.wg.Add(1)
		ops[0].Arm(t.Context(), &c)
		var first sync.WaitGroup
		first.Go(func() { s.Submit(&ops[0]) })
		<-inside
		for i := range ops[1:] {
			c.submit(t.Context(), s, &ops[1+i])
		}
		close(gate)
		c.wg.Wait()
		first.Wait()
		require.NoError(t, s.Close())
		require.Equal(t, []int{1, 1}, given)
		require.EqualValues(t, map[bool]int{true: 20}[fails], c.errs.Load())
	}
}

// TestLossIsNotedFirst: the kernel has told one of a loss, whose result nobody has seen yet; no other one that
// has asked meanwhile completes before. Flushes take part where they have no file of their own.
func TestLossIsNotedFirst(t *testing.T) {
	ops := map[string]func() *armed{
		"write": func() *armed {
			return &armed{Op: backstore.Op{Kind: backstore.OpWrite, Iov: [][]byte{make([]byte, 512)}}}
		},
		"flush": func() *armed { return &armed{Op: backstore.Op{Kind: backstore.OpFlush}} },
	}
	for loser, newLoser := range ops {
		for winner, newWinner := range ops {
			for _, lost := range []bool{true, false} {
				s := bareStore(false)
				s.file.DSync = true
				start := func(op *armed) *task {
					tk := newTask(t, s, op)
					mustNext(t, tk)
					tk.call = s.q.calls.Begin()
					s.q.running++
					return tk
				}
				back := func(tk *task, res int32) {
					tk.res = res
					s.goOn(&taskList{first: tk, last: tk})
				}
				a, b := newLoser(), newWinner()
				first, second := start(a), start(b)
				back(second, int32(second.n))
				require.Empty(t, b.done, "%s beside %s", winner, loser)
				if !lost {
					back(first, int32(first.n))
					require.NoError(t, <-a.done)
					require.NoError(t, <-b.done)
					continue
				}
				back(first, -int32(unix.EIO))
				require.ErrorIs(t, <-a.done, unix.EIO)
				require.ErrorIs(t, <-b.done, unix.EIO)
			}
		}
	}
}

// TestHeldForNoSpace: who may have lost what one has been told of is held until that one has found out.
func TestHeldForNoSpace(t *testing.T) {
	s := newStore(t, 1<<20, nil)
	enter, inside, gate := s.q.give, make(chan bool), make(chan bool)
	goOn := sync.OnceFunc(func() { close(gate) })
	defer goOn()
	s.q.give = func(n int) (int, error) {
		close(inside)
		<-gate
		return enter(n)
	}
	a, first := startFUA(t, s)
	b, second := startFUA(t, s)
	back := func(tk *task, res int32) {
		tk.res = res
		s.goOn(&taskList{first: tk, last: tk})
	}
	var finding sync.WaitGroup
	finding.Go(func() { back(first, -int32(unix.ENOSPC)) })
	<-inside
	back(second, 512)
	require.Empty(t, b.done, "told before it is known")
	goOn()
	require.ErrorIs(t, <-a.done, backstore.ErrNoSpace)
	require.NoError(t, <-b.done)
	require.NoError(t, s.base.Err())
	finding.Wait()
}

// startFUA starts a durable write which the kernel does not get.
func startFUA(t *testing.T, s *Store) (*armed, *task) {
	t.Helper()
	op := &armed{Op: backstore.Op{Kind: backstore.OpWrite, FUA: true, Iov: [][]byte{make([]byte, 512)}}, done: make(chan error, 1)}
	op.Arm(t.Context(), op)
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	tk := s.q.takeTask(s)
	tk.begin(op.Completion())
	mustNext(t, tk)
	tk.call = s.q.calls.Begin()
	return op, tk
}

// TestHeldForNobody: none is held for those who cannot find out, together, because the ring fails. So
// what they were told counts.
func TestHeldForNobody(t *testing.T) {
	s := newStore(t, 1<<20, nil)
	s.q.give = func(int) (int, error) { return 0, unix.EBADF }
	s.q.syncing = true
	var full []*armed
	for range 3 {
		op, tk := startFUA(t, s)
		tk.res = -int32(unix.ENOSPC)
		s.goOn(&taskList{first: tk, last: tk})
		full = append(full, op)
	}
	op, tk := startFUA(t, s)
	tk.res = 512
	s.goOn(&taskList{first: tk, last: tk})
	require.Empty(t, op.done)
	s.q.synced()
	for _, f := range full {
		require.ErrorIs(t, <-f.done, unix.EBADF)
	}
	require.ErrorIs(t, <-op.done, backstore.ErrNoSpace)
}

// TestHeldForWhatFails: who is held for a task that the kernel does not get goes on.
func TestHeldForWhatFails(t *testing.T) {
	s := newStore(t, 1<<20, nil)
	enter, inside, gate := s.q.give, make(chan bool), make(chan bool)
	calls := 0 // never two at once
	s.q.give = func(n int) (int, error) {
		if calls++; calls == 1 {
			close(inside)
			<-gate
			return enter(1)
		}
		for held := false; !held; { // the first has been done
			s.reap()
			s.q.mu.Lock()
			held = s.q.held.first != nil
			s.q.mu.Unlock()
		}
		return 0, unix.EBADF
	}
	var first, second counter
	write := func() *backstore.Op {
		return &backstore.Op{Kind: backstore.OpWrite, FUA: true, Iov: [][]byte{make([]byte, 4096)}}
	}
	var submitted sync.WaitGroup
	first.wg.Add(1)
	op := write()
	op.Arm(t.Context(), &first)
	submitted.Go(func() { s.Submit(op) })
	<-inside
	second.submit(t.Context(), s, write())
	close(gate)
	submitted.Wait()
	first.wg.Wait()
	second.wg.Wait()
	require.Zero(t, first.errs.Load())
	require.EqualValues(t, 1, second.errs.Load())
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	s.q.give = enter
}

// TestEmptyAndUnknown: what needs no step, and what is no operation.
func TestEmptyAndUnknown(t *testing.T) {
	s := newStore(t, 1<<20, nil)
	var c counter
	for _, op := range []*backstore.Op{
		{Kind: backstore.OpRead}, {Kind: backstore.OpFlush}, {Kind: backstore.OpWrite, Off: 512, Iov: [][]byte{{}, nil}}, {Kind: backstore.OpUnmap},
		{Kind: backstore.OpUnmap, Extents: []backstore.Extent{{}, {Off: 512}}}, {Kind: backstore.OpZero, Off: 1 << 20},
	} {
		c.submit(t.Context(), s, op)
	}
	c.wg.Wait()
	require.Zero(t, c.errs.Load())
	c.submit(t.Context(), s, &backstore.Op{Kind: 99})
	c.wg.Wait()
	require.EqualValues(t, 1, c.errs.Load())
}

// TestChains: an Op that is submitted again from OpDone, as the disk does with the flush after a write.
func TestChains(t *testing.T) {
	s := newStore(t, 1<<20, &Options{Depth: 4})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Add(1)
		c := &chain{s: s, wg: &wg, left: 50, fail: func(err error) { t.Error(err) }}
		c.op.Off, c.op.Iov, c.op.Kind = int64(i)*8192, [][]byte{make([]byte, 4096)}, backstore.OpWrite
		c.op.Arm(context.Background(), c)
		s.Submit(&c.op)
	}
	wg.Wait()
}

type chain struct {
	op   backstore.Op
	s    *Store
	wg   *sync.WaitGroup
	left int
	fail func(error)
}

func (c *chain) OpDone(op *backstore.Op, err error) {
	if err != nil {
		c.fail(err)
	}
	if c.left--; c.left == 0 {
		c.wg.Done()
		return
	}
	op.Kind = backstore.OpRead + (op.Kind-backstore.OpRead+1)%2
	op.Arm(context.Background(), c)
	c.s.Submit(op)
}

// TestModelUnderLoad: several goroutines, each with several random operations at once in blocks of its own, on one
// ring that is too small for them.
func TestModelUnderLoad(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-uring.seed=%d", seed)
	for name, opts := range map[string]*Options{
		"buffered": {Depth: 5}, "direct": {Depth: 8, Direct: true}, "one": {Depth: 1}, "default": nil,
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, 4<<20, opts)
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() { play(t, s, rand.New(rand.NewPCG(seed, uint64(i))), int64(i)<<20) })
			}
			wg.Wait()
		})
	}
}

// play does rounds of operations on 8 slots of 64 KiB from base, and compares what they read.
func play(t *testing.T, s *Store, rng *rand.Rand, base int64) {
	const slots, size = 8, 64 << 10
	var want, data [slots][]byte
	for i := range want {
		want[i], data[i] = make([]byte, size), make([]byte, size)
	}
	var ops [slots]backstore.Op
	for round := range 40 {
		var c counter
		for i := range ops {
			op := &ops[i]
			from := rng.IntN(size/512) * 512
			n := (1 + rng.IntN((size-from)/512)) * 512
			op.Kind, op.FUA, op.MayUnmap = backstore.OpRead+backstore.OpKind(rng.IntN(5)), rng.IntN(8) == 0, rng.IntN(2) == 0
			op.Off, op.Len = base+int64(i*size+from), int64(n)
			op.Iov, op.Extents = nil, nil
			switch op.Kind {
			case backstore.OpRead:
				op.Iov = pieces(rng, data[i][from:from+n])
			case backstore.OpWrite:
				for k := range n {
					want[i][from+k] = byte(round*31 + k>>7 + i)
				}
				op.Iov = pieces(rng, bytes.Clone(want[i][from:from+n]))
			case backstore.OpUnmap:
				op.Extents = []backstore.Extent{{Off: op.Off, Len: op.Len}}
				clear(want[i][from : from+n])
			case backstore.OpZero:
				clear(want[i][from : from+n])
			}
			if (op.Kind == backstore.OpUnmap) && s.Geometry().Without.Has(backstore.CapUnmap) {
				op.Kind = backstore.OpZero
			}
			c.submit(context.Background(), s, op)
		}
		c.wg.Wait()
		if err := c.last.Load(); err != nil {
			t.Error(*err)
			return
		}
		for i := range ops {
			if op := &ops[i]; op.Kind == backstore.OpRead {
				from := int(op.Off - base - int64(i*size))
				if !bytes.Equal(want[i][from:from+int(op.Len)], data[i][from:from+int(op.Len)]) {
					t.Errorf("round %d reads what was not written to slot %d", round, i)
					return
				}
			}
		}
	}
}

// pieces cuts b at random.
func pieces(rng *rand.Rand, b []byte) (iov [][]byte) {
	for len(b) > 0 {
		n := len(b)
		switch rng.IntN(3) {
		case 0:
			n = rng.IntN(n + 1)
		case 1:
			n = min(n, 4096)
		}
		iov = append(iov, b[:n])
		b = b[n:]
	}
	return iov
}

// TestSubmitAllocatesNothing, neither in bursts nor with vectors, beyond the first use.
func TestSubmitAllocatesNothing(t *testing.T) {
	for name, opts := range map[string]*Options{"buffered": nil, "direct": {Direct: true}, "shallow": {Depth: 4}} {
		s := newStore(t, 4<<20, opts)
		var c counter
		mem, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		require.NoError(t, err)
		ops := make([]backstore.Op, 32)
		for i := range ops {
			b := mem[i*32<<10 : (i+1)*32<<10]
			ops[i].Off, ops[i].Iov = int64(i)*64<<10, [][]byte{b[:4096], b[4096:8192], b[8192:]}
		}
		ctx := context.Background()
		burst := func() {
			for i := range ops {
				ops[i].Kind = backstore.OpRead + backstore.OpKind(i%2)
				ops[i].FUA = i == 7
				c.submit(ctx, s, &ops[i])
			}
			c.wg.Wait()
		}
		for range 20 {
			burst()
		}
		require.Zero(t, testing.AllocsPerRun(50, burst), name)
		require.Zero(t, c.errs.Load())
		require.NoError(t, s.Close())
		require.NoError(t, unix.Munmap(mem))
	}
}

func TestFifo(t *testing.T) {
	var f fifo
	var ops [100]backstore.Op
	next, taken := 0, 0
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		if rng.IntN(2) == 0 && next-taken < len(ops) {
			op := &ops[next%len(ops)]
			op.Arm(context.Background(), &armed{done: make(chan error, 1)})
			f.push(op.Completion())
			next++
			continue
		}
		c, ok := f.pop()
		require.Equal(t, next > taken, ok)
		if ok {
			require.Same(t, &ops[taken%len(ops)], c.Op())
			c.Complete(nil)
			taken++
		}
	}
	f = fifo{}
	for range 2 * keptWaiting {
		f.push(backstore.Completion{})
	}
	for range 2 * keptWaiting {
		_, ok := f.pop()
		require.True(t, ok)
	}
	require.Empty(t, f.buf, "an empty queue keeps much memory")
}
