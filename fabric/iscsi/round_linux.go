package iscsi

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// netRound lets goroutines wait until the runtime has asked the system what has come: they ring an
// eventfd, for which a goroutine waits as others do for their sockets, and which the runtime finds
// when it asks. The zero value is ready for use.
type netRound struct {
	once sync.Once
	file *os.File
	done chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	fd      int             // guarded by mu; -1: there is none
	waiting []chan struct{} // guarded by mu
}

// wait waits for a round, for which woken is used, a channel of the caller's with room for one. It
// reports false if there are none.
func (r *netRound) wait(woken chan struct{}) bool {
	r.once.Do(r.start)
	r.mu.Lock()
	if r.fd < 0 || len(r.waiting) == 0 && !ring(r.fd) {
		r.mu.Unlock()
		return false
	}
	r.waiting = append(r.waiting, woken)
	r.mu.Unlock()
	<-woken
	return true
}

// ring adds to an eventfd, which is never read: each addition counts as an arrival.
func ring(fd int) bool {
	one := [8]byte{1}
	n, err := unix.Write(fd, one[:])
	return err == nil && n == len(one)
}

func (r *netRound) start() {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		r.fd = -1
		return
	}
	r.fd, r.file, r.done = fd, os.NewFile(uintptr(fd), "eventfd"), make(chan struct{})
	go r.run()
}

// run ends rounds until the eventfd is closed. It never leaves the wait for it, because an arrival
// between two waits would be lost.
func (r *netRound) run() {
	defer close(r.done)
	rc, err := r.file.SyscallConn()
	if err == nil {
		err = rc.Read(func(uintptr) bool {
			r.mu.Lock()
			r.wakeLocked()
			r.mu.Unlock()
			return false
		})
	}
	if err != nil { // as is to be expected, once it is closed
		r.stop()
	}
}

// wakeLocked wakes who waits; r.mu is held.
func (r *netRound) wakeLocked() {
	for i, woken := range r.waiting {
		woken <- struct{}{}
		r.waiting[i] = nil
	}
	r.waiting = r.waiting[:0]
}

// stop refuses further rounds.
func (r *netRound) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fd = -1
	r.wakeLocked()
}

// close ends the goroutine, and waits for that.
func (r *netRound) close() {
	r.once.Do(func() { r.fd = -1 })
	r.stop()
	if r.file != nil {
		_ = r.file.Close() // it may be closed already
		<-r.done
	}
}
