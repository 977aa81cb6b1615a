//go:build !scsidebug

package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
)

// TestCommandsDoNotAllocate: neither reads nor writes, nor those that wait for other tasks,
// for a worker or for their data, cost an allocation in steady state.
func TestCommandsDoNotAllocate(t *testing.T) {
	e, s, _ := nullSession(t)
	defer e.Close()
	cdb := scsi.AppendWrite16(nil, 0, 8)
	tests := map[string]func(){
		"read": func() { read16(s, 0, 8) },
		"write": func() {
			c := s.NewCommand()
			c.SetCDB(cdb)
			s.Submit(c)
		},
		"ordered": func() {
			c := s.NewCommand()
			c.Attr = scsi.Ordered
			c.SetCDB(cdb)
			s.Submit(c)
		},
	}
	for name, run := range tests {
		t.Run(name, func(t *testing.T) {
			run()
			require.Zero(t, testing.AllocsPerRun(1000, run))
		})
	}
}

// TestBatchesDoNotAllocate is the same for commands that begin and end together.
func TestBatchesDoNotAllocate(t *testing.T) {
	for name, h := range map[string]scsi.Handler{"pool": nullHandler{}, "lent": &lendingHandler{memory: [][]byte{make([]byte, 4096)}}} {
		t.Run(name, func(t *testing.T) {
			ep := &batchEndpoint{}
			s := openSession(t, h, ep)
			run := func() { ep.run(s, 32) }
			run()
			ep.good = 0
			require.Zero(t, testing.AllocsPerRun(100, run))
			require.Equal(t, 101*32, ep.good)
		})
	}
}

// TestLendingDoesNotAllocate is the same for a handler that lends, and for one that asks for
// its buffers late.
func TestLendingDoesNotAllocate(t *testing.T) {
	for name, h := range map[string]*lendingHandler{"lend": {memory: [][]byte{make([]byte, 4096)}}, "need": {}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, h, nil, nil)
			ep := &syncEndpoint{closed: make(chan error, 1)}
			s, err := b.tgt.Login(t.Context(), fabric.Initiator{Name: "a"}, ep)
			require.NoError(t, err)
			run := func() { read16(s, 0, 8) }
			run()
			run()
			require.Equal(t, 4096, ep.n)
			require.Zero(t, testing.AllocsPerRun(1000, run))
			b.close()
		})
	}
}

// TestWorkersDoNotAllocate is the same for a handler that blocks, and for one that defers.
func TestWorkersDoNotAllocate(t *testing.T) {
	for name, deferred := range map[string]bool{"blocking": false, "deferred": true} {
		t.Run(name, func(t *testing.T) {
			h := &plain{deferred: deferred}
			b := newBench(t, h, nil, nil)
			done := make(chan bool, 1)
			ep := &waker{done: done}
			s, err := b.tgt.Login(t.Context(), fabric.Initiator{Name: "a"}, ep)
			require.NoError(t, err)
			run := func() {
				read16(s, 0, 8)
				<-done
			}
			run()
			run()
			require.Zero(t, testing.AllocsPerRun(1000, run))
			b.close()
		})
	}
}

// plain blocks, or defers and completes at once.
type plain struct{ deferred bool }

func (*plain) Describe() (scsi.Description, error) {
	return scsi.Description{BlockSize: 512, Control: scsi.Control{QueueAlg: 1}}, nil
}

func (p *plain) Exec(c *scsi.Command) error {
	if p.deferred {
		c.Defer().Done(nil)
	}
	return nil
}
