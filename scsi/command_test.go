package scsi

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/task"
	"github.com/goscst/goscst/sgv"
)

// owner records what an engine would be told.
type owner struct {
	done, received, sent []error
	lent                 [][]byte
	refuse               error // of NeedData
}

func (o *owner) Done(err error)         { o.done = append(o.done, err) }
func (o *owner) DataReceived(err error) { o.received = append(o.received, err) }
func (o *owner) ResponseSent(err error) { o.sent = append(o.sent, err) }
func (o *owner) Reclaim()               {}
func (o *owner) NeedData() error        { return o.refuse }
func (o *owner) Lend(segs [][]byte, release func(), _ task.Loan) error {
	o.lent = segs
	return nil
}

// withData is a command in execution with a buffer of n bytes.
func withData(t *testing.T, n int) (*Command, *task.State, *owner) {
	t.Helper()
	pool := sgv.NewPool(&sgv.Options{SegmentSize: 4096})
	c, o := new(Command), new(owner)
	st := task.Of(c)
	require.Same(t, &c.st, st)
	st.Owner = o
	st.Recycle()
	st.Prepare()
	st.Begin()
	if n > 0 {
		b, err := pool.Get(n, nil)
		require.NoError(t, err)
		st.Data = b
		t.Cleanup(b.Release)
	}
	t.Cleanup(func() { _ = pool.Close() })
	return c, st, o
}

func TestSetCDB(t *testing.T) {
	var c Command
	long := bytes.Repeat([]byte{0x7F}, 300)
	for _, x := range []struct{ n, kept int }{{0, 0}, {6, 6}, {16, 16}, {17, 17}, {32, 32}, {MaxCDB, MaxCDB}, {300, MaxCDB}, {10, 10}} {
		c.SetCDB(long[:x.n])
		require.Equal(t, long[:x.kept], c.CDB())
		require.Same(t, Unknown, c.Op())
	}
	cdb := []byte{1, 2, 3, 4, 5, 6}
	c.SetCDB(cdb)
	cdb[0] = 9
	require.EqualValues(t, 1, c.CDB()[0], "the CDB is copied")
}

func TestReply(t *testing.T) {
	c, st, _ := withData(t, 8)
	b, n := c.DataIn()
	require.Nil(t, b, "nothing is the answer unless the handler says so")
	require.Zero(t, n)

	require.NoError(t, c.Reply([]byte("abc")))
	b, n = c.DataIn()
	require.Same(t, c.Data(), b)
	require.Equal(t, 3, n)
	got := make([]byte, 3)
	_, err := b.ReadAt(got, 0)
	require.NoError(t, err)
	require.Equal(t, "abc", string(got))

	require.NoError(t, c.Reply([]byte("longer than eight")))
	_, n = c.DataIn()
	require.Equal(t, 8, n)

	require.NoError(t, c.Reply(nil))
	b, n = c.DataIn()
	require.Nil(t, b)
	require.Zero(t, n)
	require.Zero(t, st.DataIn)

	none, _, _ := withData(t, 0)
	require.NoError(t, none.Reply([]byte("abc")), "an allocation length of zero is no error")
	b, n = none.DataIn()
	require.Nil(t, b)
	require.Zero(t, n)
}

func TestParams(t *testing.T) {
	c, _, _ := withData(t, 5000) // two segments
	want := bytes.Repeat([]byte("goscs"), 1000)
	_, err := c.Data().WriteAt(want, 0)
	require.NoError(t, err)
	require.Equal(t, want, c.Params(nil))
	require.Equal(t, want, c.Params([]byte("what was there before")))

	buf := make([]byte, 0, 5000)
	require.Same(t, &buf[:1][0], &c.Params(buf)[0], "room is used")

	none, _, _ := withData(t, 0)
	require.Empty(t, none.Params([]byte("what was there before")))
}

func TestSetDataIn(t *testing.T) {
	c, _, _ := withData(t, 8)
	c.SetDataIn(5)
	b, n := c.DataIn()
	require.Same(t, c.Data(), b)
	require.Equal(t, 5, n)
	c.SetDataIn(0)
	_, n = c.DataIn()
	require.Zero(t, n)
}

func TestResults(t *testing.T) {
	c, st, o := withData(t, 0)
	nx := &Nexus{Initiator: "iqn.a"}
	st.Nexus, st.Status, st.Sense = nx, uint8(StatusBusy), []byte{0x70}
	st.Residual, st.ResidOut, st.Silent = -5, 6, true
	require.Same(t, nx, c.Nexus())
	require.Equal(t, StatusBusy, c.Status())
	require.Equal(t, []byte{0x70}, c.SenseData())
	require.EqualValues(t, -5, c.Residual())
	require.EqualValues(t, 6, c.ResidualOut())
	require.True(t, c.Silent())
	require.Nil(t, c.DataOut())

	lost := errors.New("connection lost")
	c.DataReceived(nil)
	c.DataReceived(lost)
	c.ResponseSent(lost)
	require.Equal(t, []error{nil, lost}, o.received)
	require.Equal(t, []error{lost}, o.sent)

	st.Recycle()
	require.Nil(t, c.Nexus())
	require.Equal(t, StatusGood, c.Status())
	require.Nil(t, c.SenseData())
	require.Zero(t, c.Residual())
	require.Zero(t, c.ResidualOut())
	require.False(t, c.Silent())
	require.Nil(t, new(Command).Nexus())
}

func TestContext(t *testing.T) {
	c, st, _ := withData(t, 0)
	require.False(t, c.Aborted())
	require.NoError(t, c.Context().Err())
	st.Cancel(context.Canceled)
	require.True(t, c.Aborted())
	<-c.Context().Done()
	require.ErrorIs(t, c.Context().Err(), context.Canceled)
}

func TestPending(t *testing.T) {
	c, st, o := withData(t, 0)
	p := c.Defer()
	require.Same(t, c, p.Command())
	parked, _ := st.Return()
	require.True(t, parked)
	p.Done(LBAOutOfRange)
	require.Equal(t, []error{LBAOutOfRange}, o.done)
	require.Panics(t, func() { p.Done(nil) }, "twice")

	st.Begin()
	q := c.Defer()
	require.Panics(t, func() { p.Done(nil) }, "stale")
	require.Panics(t, func() { c.Defer() }, "deferred twice")
	q.Done(nil)
	parked, late := st.Return()
	require.False(t, parked)
	require.True(t, late)
	require.Len(t, o.done, 1, "Return continues it, not Done")
}

// TestCommandIsFree: a command in steady state allocates nothing.
func TestCommandIsFree(t *testing.T) {
	c, st, _ := withData(t, 4096)
	read := AppendRead16(nil, 1, 8)
	write32 := AppendCDB(nil, Lookup(TypeDisk, []byte{0x7F, 0, 0, 0, 0, 0, 0, 0x18, 0, 0x0B}), 1, 8)
	answer := make([]byte, 36)
	data := st.Data
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for _, cdb := range [][]byte{read, write32} {
			c.SetCDB(cdb)
			if err := c.Decode(TypeDisk); err != nil {
				panic(err)
			}
			c.DataLen(512)
			st.Begin()
			p := c.Defer()
			if c.Aborted() {
				panic("aborted")
			}
			_ = c.Reply(answer)
			p.Done(nil)
			st.Return()
			st.Recycle()
			st.Data = data
		}
	}))
}

// TestNeedData: Room is what Data will be, the engine is asked once, and its refusal is the
// command's.
func TestNeedData(t *testing.T) {
	c, st, o := withData(t, 0)
	require.Zero(t, c.Room())
	o.refuse = ErrBusy
	require.NoError(t, c.NeedData(), "nothing is needed")
	require.NoError(t, c.Reply([]byte{1}))

	st.Room = 512
	require.Equal(t, 512, c.Room())
	require.Equal(t, ErrBusy, c.NeedData())
	require.Equal(t, ErrBusy, c.Reply([]byte{1}))

	c, st, o = withData(t, 100)
	o.refuse, st.Room = ErrBusy, 512
	require.Equal(t, 100, c.Room())
	require.NoError(t, c.NeedData(), "it is there")
	st.Recycle()
	require.Zero(t, c.Room())
}
