package local_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

func TestMain(m *testing.M) { leak.Main(m) }

// unit is a logical unit whose commands a test executes.
type unit struct {
	exec        func(*scsi.Command) error
	nonBlocking bool
}

func (u *unit) Describe() (scsi.Description, error) {
	return scsi.Description{
		Type: scsi.TypeDisk, BlockSize: 512, NonBlocking: u.nonBlocking, Parse: scsi.ParseUnknown,
		Control: scsi.Control{QueueAlg: 1},
	}, nil
}

func (u *unit) Exec(c *scsi.Command) error { return u.exec(c) }

// inline executes commands on the goroutine that submits them.
func inline(exec func(*scsi.Command) error) *unit { return &unit{exec, true} }

// blocking executes them on workers.
func blocking(exec func(*scsi.Command) error) *unit { return &unit{exec, false} }

// stuck is a unit whose TEST UNIT READY ends at once, and whose other commands wait for
// the test. It hears of no abort.
type stuck struct {
	*unit
	started chan *scsi.Command
	release chan struct{}
}

func newStuck() *stuck {
	s := &stuck{started: make(chan *scsi.Command, 1024), release: make(chan struct{})}
	s.unit = blocking(func(c *scsi.Command) error {
		if c.Op().Op == scsi.OpTestUnitReady {
			return nil
		}
		s.started <- c
		<-s.release
		if b := c.Data(); b != nil && c.Op().Dir == scsi.DirIn {
			for _, seg := range b.Segs() {
				for i := range seg {
					seg[i] = 0xEE
				}
			}
		}
		return nil
	})
	return s
}

// target makes an engine with a target that serves the handlers as LUN 0, 1, …
func target(t testing.TB, handlers ...scsi.Handler) (*engine.Engine, *engine.Target) {
	t.Helper()
	e := engine.New(nil)
	tgt, err := e.AddTarget("iqn.2026-11.example:local", nil)
	require.NoError(t, err)
	for i, h := range handlers {
		d, err := e.AddDevice(string(rune('a'+i)), h, nil)
		require.NoError(t, err)
		require.NoError(t, tgt.Map(uint16(i), d, nil))
	}
	tgt.Enable()
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e, tgt
}

// login opens a session that has seen its unit attentions.
func login(t testing.TB, tgt *engine.Target, opts *local.Options) *local.Initiator {
	t.Helper()
	i, err := local.Login(context.Background(), tgt, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, i.Close()) })
	for _, l := range tgt.Group("").LUNs() {
		require.NoError(t, i.WaitReady(context.Background(), l.LUN))
	}
	return i
}

// serve is login to a new target with the handlers.
func serve(t testing.TB, handlers ...scsi.Handler) *local.Initiator {
	t.Helper()
	_, tgt := target(t, handlers...)
	return login(t, tgt, nil)
}

func read16(lba uint64, blocks uint32) []byte  { return scsi.AppendRead16(nil, lba, blocks) }
func write16(lba uint64, blocks uint32) []byte { return scsi.AppendWrite16(nil, lba, blocks) }

var testUnitReady = []byte{0, 0, 0, 0, 0, 0}
