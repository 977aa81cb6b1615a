package local_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/scsi"
)

var bg = context.Background()

// vendor understands C0h (answers "hello"), C1h (returns its data-out reversed), READ and
// WRITE, and fails as byte 1 of the CDB says.
func vendor(c *scsi.Command) error {
	cdb := c.CDB()
	if len(cdb) > 1 {
		switch cdb[1] {
		case 1:
			return &scsi.SenseError{Sense: scsi.MediumReadError, Info: 77, Valid: true}
		case 2:
			return scsi.ErrBusy
		case 3:
			return scsi.ErrConditionMet
		}
	}
	switch {
	case cdb[0] == 0xC0:
		n, _ := c.Data().WriteAt([]byte("hello"), 0)
		c.SetDataIn(n)
	case cdb[0] == 0xC1:
		p := make([]byte, c.DataOut().Len())
		_, _ = c.DataOut().ReadAt(p, 0)
		for i, b := range p {
			_, _ = c.Data().WriteAt([]byte{b}, int64(len(p)-1-i))
		}
		c.SetDataIn(len(p))
	case c.Op().Op == scsi.OpRead16:
		for _, s := range c.Data().Segs() {
			for i := range s {
				s[i] = byte(c.LBA())
			}
		}
	case cdb[0] == byte(scsi.OpTestUnitReady), c.Op().Op == scsi.OpWrite16:
	default:
		return scsi.InvalidOpcode
	}
	return nil
}

func TestDoTellsHowACommandEnded(t *testing.T) {
	i := serve(t, inline(vendor))
	for _, x := range []struct {
		name         string
		cdb, out     []byte
		room         int
		want         local.Result
		sense        scsi.Sense
		err          error
		info, answer string
	}{
		{name: "good", cdb: testUnitReady},
		{name: "data-in", cdb: []byte{0xC0, 0}, room: 5, want: local.Result{N: 5}, answer: "hello"},
		{name: "underflow", cdb: []byte{0xC0, 0}, room: 8, want: local.Result{N: 5, Residual: 3}, answer: "hello"},
		{name: "overflow", cdb: read16(65, 1), room: 2, want: local.Result{N: 2, Residual: -510}, answer: "AA"},
		{name: "both ways", cdb: []byte{0xC1, 0}, out: []byte("abc"), room: 4, want: local.Result{N: 3, Residual: 1}, answer: "cba"},
		{name: "condition met", cdb: []byte{0xC0, 3}, room: 5, want: local.Result{Status: scsi.StatusConditionMet, Residual: 5}},
		{name: "busy", cdb: []byte{0xC0, 2}, want: local.Result{Status: scsi.StatusBusy}, err: scsi.ErrBusy},
		{name: "no such command", cdb: []byte{0xC2, 0}, want: local.Result{Status: scsi.StatusCheckCondition}, sense: scsi.InvalidOpcode, err: scsi.InvalidOpcode},
		{name: "medium error", cdb: []byte{0xC0, 1}, want: local.Result{Status: scsi.StatusCheckCondition}, sense: scsi.MediumReadError, err: scsi.MediumReadError},
	} {
		t.Run(x.name, func(t *testing.T) {
			in := make([]byte, x.room)
			r, err := i.Do(bg, 0, x.cdb, x.out, in)
			require.ErrorIs(t, err, x.err)
			if x.sense != 0 {
				e, perr := scsi.ParseSense(r.Sense)
				require.NoError(t, perr)
				require.Equal(t, x.sense, e.Sense)
			}
			r.Sense = nil
			require.Empty(t, cmp.Diff(x.want, r))
			require.Equal(t, x.answer, string(in[:r.N]))
		})
	}
}

func TestCheckConditionIsASenseError(t *testing.T) {
	i := serve(t, inline(vendor))
	_, err := i.Do(bg, 0, []byte{0xC0, 1}, nil, nil)
	var e *scsi.SenseError
	require.ErrorAs(t, err, &e)
	require.Equal(t, uint64(77), e.Info)
	require.True(t, e.Valid)
	require.False(t, local.IsUnitAttention(err))
}

func TestUnitAttentionReachesTheCaller(t *testing.T) {
	_, tgt := target(t, inline(vendor))
	i, err := local.Login(bg, tgt, nil)
	require.NoError(t, err)
	defer i.Close()
	_, err = i.Do(bg, 0, testUnitReady, nil, nil)
	require.ErrorIs(t, err, scsi.PowerOnOccurred)
	require.True(t, local.IsUnitAttention(err))
	_, err = i.Do(bg, 0, testUnitReady, nil, nil)
	require.NoError(t, err)
}

func TestRefusedCommands(t *testing.T) {
	i := serve(t, inline(vendor))
	for _, cdb := range [][]byte{nil, make([]byte, scsi.MaxCDB+1)} {
		r, err := i.Do(bg, 0, cdb, nil, nil)
		require.ErrorContains(t, err, "1 to 260 bytes")
		require.Equal(t, scsi.StatusTaskAborted, r.Status)
	}
	_, err := i.Do(bg, 7, testUnitReady, nil, nil)
	require.ErrorIs(t, err, scsi.LogicalUnitNotSupported)
	done, cancel := context.WithCancel(bg)
	cancel()
	_, err = i.Do(done, 0, testUnitReady, nil, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestRunKeepsTheCommand(t *testing.T) {
	i := serve(t, inline(vendor))
	c := local.Command{CDB: []byte{0xC0, 0}, In: make([]byte, 9), Attr: scsi.Ordered}
	require.NoError(t, i.Run(bg, &c))
	require.Equal(t, "hello", string(c.In[:c.N]))
	tag := c.Tag
	c.CDB = []byte{0xC0, 1}
	require.ErrorIs(t, i.Run(bg, &c), scsi.MediumReadError)
	require.ErrorIs(t, c.Err, scsi.MediumReadError)
	require.NotEqual(t, tag, c.Tag)
	e, err := scsi.ParseSense(c.Sense)
	require.NoError(t, err)
	require.Equal(t, uint64(77), e.Info)
}

func TestAttributesReachTheTaskSet(t *testing.T) {
	i := serve(t, inline(vendor))
	for _, a := range []scsi.TaskAttr{scsi.Simple, scsi.Ordered, scsi.HeadOfQueue} {
		require.NoError(t, i.Run(bg, &local.Command{CDB: testUnitReady, Attr: a}), a)
	}
	err := i.Run(bg, &local.Command{CDB: testUnitReady, Attr: scsi.ACA})
	require.ErrorIs(t, err, scsi.InvalidMessage)
}

// TestDirect runs the same commands with the caller's memory as their buffer.
func TestDirect(t *testing.T) {
	_, tgt := target(t, inline(vendor))
	i := login(t, tgt, &local.Options{Direct: true})
	var lent bool
	in := make([]byte, 1024)
	probe := inline(func(c *scsi.Command) error {
		if c.Op().Dir == scsi.DirIn {
			lent = &c.Data().Segs()[0][0] == &in[0]
		}
		return vendor(c)
	})
	_, tgt2 := target(t, probe)
	j := login(t, tgt2, &local.Options{Direct: true})
	r, err := j.Do(bg, 0, read16(9, 2), nil, in)
	require.NoError(t, err)
	require.True(t, lent, "the handler has the caller's memory")
	require.Equal(t, 1024, r.N)
	require.Equal(t, byte(9), in[1023])
	r, err = j.Do(bg, 0, read16(8, 2), nil, in[:1000])
	require.NoError(t, err)
	require.False(t, lent, "a buffer of whole blocks does not fit")
	require.Equal(t, 1000, r.N)
	require.Equal(t, byte(8), in[999])
	require.Equal(t, byte(9), in[1000])
	r, err = i.Do(bg, 0, []byte{0xC1, 0}, []byte("abc"), in)
	require.NoError(t, err)
	require.Equal(t, "cba", string(in[:r.N]))
	_, err = i.Do(bg, 0, write16(0, 2), in, nil)
	require.NoError(t, err)
}

func TestLoginIsRefused(t *testing.T) {
	e, tgt := target(t, inline(vendor))
	require.NoError(t, tgt.Disable(bg))
	for _, direct := range []bool{false, true} {
		_, err := local.Login(bg, tgt, &local.Options{Direct: direct})
		require.ErrorContains(t, err, "not enabled")
	}
	require.NoError(t, e.Close())
	_, err := local.Login(bg, tgt, nil)
	require.Error(t, err)
	require.False(t, errors.Is(err, local.ErrClosed))
}

func TestNames(t *testing.T) {
	_, tgt := target(t, inline(vendor))
	i := login(t, tgt, nil)
	require.Equal(t, local.DefaultName, i.Session().Initiator)
	var seen *scsi.Nexus
	_, tgt = target(t, inline(func(c *scsi.Command) error { seen = c.Nexus(); return nil }))
	login(t, tgt, &local.Options{Name: "iqn.2026-11.example:me"})
	id, _, err := scsi.ParseTransportID(seen.TransportID)
	require.NoError(t, err)
	require.Equal(t, "iqn.2026-11.example:me", id.Name)
	require.Equal(t, seen.Initiator, id.Name)
}
