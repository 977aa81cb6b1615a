package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/engine"
)

// BenchmarkRead is a READ of 4 KiB, one at a time, of a handler that does nothing: what is
// measured is the engine. The handler lends its memory, or gets buffers of the pool.
func BenchmarkRead(b *testing.B) {
	for name, h := range map[string]scsi.Handler{"pool": nullHandler{}, "lent": &lendingHandler{memory: [][]byte{make([]byte, 4096)}}} {
		b.Run(name, func(b *testing.B) {
			s := openSession(b, h, &syncEndpoint{closed: make(chan error, 1)})
			b.ReportAllocs()
			for b.Loop() {
				read16(s, 0, 8)
			}
		})
	}
}

// BenchmarkBatch is the same as transports do it that receive and send many commands in
// one call of the system: an operation is one READ.
func BenchmarkBatch(b *testing.B) {
	for name, h := range map[string]scsi.Handler{"pool": nullHandler{}, "lent": &lendingHandler{memory: [][]byte{make([]byte, 4096)}}} {
		for _, depth := range []int{1, 32, 1024} {
			b.Run(fmt.Sprintf("%s/depth=%d", name, depth), func(b *testing.B) {
				ep := &batchEndpoint{}
				s := openSession(b, h, ep)
				b.ReportAllocs()
				b.ResetTimer()
				for left := b.N; left > 0; left -= depth {
					ep.run(s, min(left, depth))
				}
			})
		}
	}
}

// BenchmarkParallel has a session for each CPU, all on the same device.
func BenchmarkParallel(b *testing.B) {
	for name, h := range map[string]scsi.Handler{"pool": nullHandler{}, "lent": &lendingHandler{memory: [][]byte{make([]byte, 4096)}}} {
		b.Run(name, func(b *testing.B) {
			x := newBench(b, h, nil, &engine.DeviceOptions{QueueDepth: 65536})
			b.Cleanup(x.close)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				ep := &batchEndpoint{}
				s := loginTo(b, x.tgt, ep)
				for more := true; more; {
					n := 0
					for n < 32 && more {
						if more = pb.Next(); more {
							n++
						}
					}
					ep.run(s, n)
				}
			})
		})
	}
}

// openSession makes an engine with a handler at LUN 0, and a session that has nothing more to
// be told.
func openSession(b testing.TB, h scsi.Handler, ep fabric.Endpoint) *engine.Session {
	x := newBench(b, h, nil, &engine.DeviceOptions{QueueDepth: 65536})
	b.Cleanup(func() { require.NoError(b, x.e.Close()) })
	return loginTo(b, x.tgt, ep)
}

func loginTo(b testing.TB, tgt *engine.Target, ep fabric.Endpoint) *engine.Session {
	s, err := tgt.Login(context.Background(), fabric.Initiator{Name: "iqn.test"}, ep)
	require.NoError(b, err)
	if e, ok := ep.(*batchEndpoint); ok {
		e.run(s, 1)
	} else {
		read16(s, 0, 8)
	}
	return s
}

// batchEndpoint keeps the responses until its owner has sent them.
type batchEndpoint struct {
	lun     uint16
	sending []*scsi.Command
	good    int
}

// run reads n times and answers all of it.
func (e *batchEndpoint) run(s *engine.Session, n int) {
	now := s.Now()
	var cdb [16]byte
	scsi.AppendRead16(cdb[:0], 0, 8)
	for range n {
		c := s.NewCommand()
		c.Arrived, c.LUN = now, scsi.MakeLUN(e.lun, scsi.LUNPeripheral)
		c.SetCDB(cdb[:])
		s.Submit(c)
	}
	s.ResponsesSent(e.sending, nil)
	e.sending = e.sending[:0]
}

func (e *batchEndpoint) RequestData(c *scsi.Command) { c.DataReceived(nil) }
func (e *batchEndpoint) Respond(c *scsi.Command) {
	if c.Status() == scsi.StatusGood {
		e.good++
	}
	e.sending = append(e.sending, c)
}
func (e *batchEndpoint) TaskDone(*fabric.Task) {}
func (e *batchEndpoint) Closed(error)          {}
