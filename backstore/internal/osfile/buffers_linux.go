package osfile

import (
	"sync"

	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
)

const (
	bounceSize = 256 << 10 // bytes in an aligned buffer
	maxIdle    = 8         // aligned buffers that are kept
)

// Buffers are pieces of memory that start at a page, as direct I/O wants them. The zero value has
// none. They are safe for concurrent use.
type Buffers struct {
	mu   sync.Mutex
	idle [][]byte // guarded by mu; wait for their next use
}

// Get returns a buffer of 256 KiB.
func (p *Buffers) Get() ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		b := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return b, nil
	}
	b, err := unix.Mmap(-1, 0, bounceSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, backstore.ErrBusy
	}
	return b, nil
}

// Put gives a buffer back.
func (p *Buffers) Put(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == maxIdle {
		_ = unix.Munmap(b)
		return
	}
	p.idle = append(p.idle, b)
}

// Drop frees the buffers that are not in use.
func (p *Buffers) Drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.idle {
		_ = unix.Munmap(b)
	}
	p.idle = nil
}
