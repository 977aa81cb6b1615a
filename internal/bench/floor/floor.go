// Package floor is the cheapest thing that can answer the load generator of internal/bench:
// the limit that targets are compared with.
//
// It is no target. It keeps no state but what a transfer needs, answers every read from one
// static buffer, or from memory of the size of a disk, throws written data away, and checks
// nothing that it does not need. The
// answers to all that one read brought go out in one vectored write, or in as few as the
// kernel allows. Each connection has a thread, which sleeps in the kernel.
package floor

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/goscst/goscst/internal/bench/wire"
)

// What a floor without a disk says that it is.
const (
	BlockSize = 512     // bytes, also with a disk
	Blocks    = 1 << 21 // 1 GiB
)

// Options are how a floor serves. The zero value is ready for use.
type Options struct {
	// Alone is the option of [wire.Options].
	Alone bool
	// Disk is the size in bytes of the memory that reads are answered from, each from the
	// place that it names: a multiple of 2 MiB, less than 2 TiB. All of it is touched before
	// Serve accepts. 0: every read is answered from one page.
	Disk int64
}

// Limits of what it negotiates and of a batch.
const (
	segment   = 256 << 10 // bytes of a data segment, in both directions
	window    = 1024      // commands
	maxAnswer = 4000      // headers of a batch
	inSize    = 8 << 20   // bytes of the receive buffer: the longest PDU by far
	maxData   = 1 << 20   // bytes of one command
)

// What it answers to the two stages of a login.
const (
	security = "TargetPortalGroupTag=1\x00AuthMethod=None\x00"
	params   = "HeaderDigest=None\x00DataDigest=None\x00MaxRecvDataSegmentLength=262144\x00" +
		"MaxBurstLength=262144\x00FirstBurstLength=65536\x00InitialR2T=No\x00ImmediateData=Yes\x00"
)

// errRequest ends a connection whose peer is not the load generator.
var errRequest = errors.New("floor: a request that it has no answer to")

// Serve answers the connections that l accepts until ctx is done. It closes l, and returns
// when all connections are over.
func Serve(ctx context.Context, l net.Listener, opt Options) error {
	m, err := newMedium(opt.Disk)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer m.free() // after wg.Wait
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() }) // Accept fails then
	defer stop()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = c.Close() // came too late
			}
			return nil
		}
		if err != nil {
			return errors.Join(err, l.Close())
		}
		s, err := wire.NewSocket(c, wire.Options{Alone: opt.Alone})
		if err != nil {
			return errors.Join(err, l.Close())
		}
		wg.Go(func() { serve(ctx, s, m) })
	}
}

// serve answers one connection until it ends, which is no error of the floor.
func serve(ctx context.Context, s *wire.Socket, m *medium) {
	release := s.Until(ctx)
	_ = newConn(s, m).run()
	release()
	_ = s.Close()
}
