package uring

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is a ring of the kernel, with one file registered and an eventfd that tells of completions.
// Its methods but enter need a lock of the caller.
type ring struct {
	fd      int
	event   *os.File // in the netpoller
	rings   []byte   // mapping of both rings
	entries []byte   // mapping of sqes

	// All point into the mappings, which stay until close.
	sqHead, sqTail *uint32 // the kernel moves the head, we the tail
	cqHead, cqTail *uint32 // the other way round
	sqMask, cqMask uint32
	sqes           []sqe
	cqes           []cqe
	tail           uint32 // of the submission queue, not yet published

	arena *Arena // registered; nil: none
	vecs  bool   // vectors may be of the arena
}

// The files of a ring, by index.
const (
	fileData = 0
	fileSync = 1 // of fdatasync; it may be the same one
)

// openRing makes a ring for depth operations on files. arena may be nil.
func openRing(depth int, files [2]int, arena *Arena) (*ring, error) {
	p := ringParams{flags: setupCQSize, cqEntries: uint32(2 * depth)}
	fd, _, no := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(depth), uintptr(unsafe.Pointer(&p)), 0) // p is read and written within the call
	if no != 0 {
		return nil, unavailable(no)
	}
	r := &ring{fd: int(fd)}
	unix.CloseOnExec(r.fd)
	err := r.setUp(&p, files)
	if err == nil && arena != nil {
		err = r.registerArena(arena)
	}
	if err != nil {
		_ = r.close()
		return nil, err
	}
	return r, nil
}

// unavailable explains why there is no ring.
func unavailable(err error) error {
	reason := "the kernel makes no ring"
	switch {
	case errors.Is(err, unix.ENOSYS):
		reason = "the kernel, or a filter of system calls, has no io_uring"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		reason = "io_uring is forbidden (kernel.io_uring_disabled, or a filter of system calls)"
	case errors.Is(err, unix.ENOMEM):
		reason = "too little memory that may be locked (RLIMIT_MEMLOCK)"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return fmt.Errorf("uring: making a ring: %w", err)
	}
	return &UnavailableError{Reason: reason, Err: err}
}

func (r *ring) setUp(p *ringParams, files [2]int) error {
	if need := uint32(featSingleMmap | featNoDrop | featSubmitStable); p.features&need != need {
		return &UnavailableError{Reason: "the kernel is older than 5.6"}
	}
	if err := r.probe(); err != nil {
		return err
	}
	if err := r.mapQueues(p); err != nil {
		return err
	}
	// Both registrations copy what they point to.
	f := [2]int32{fileData: int32(files[fileData]), fileSync: int32(files[fileSync])}
	if err := r.register(registerFiles, unsafe.Pointer(&f), uintptr(len(f))); err != nil {
		return unavailable(err)
	}
	efd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("uring: making an eventfd: %w", err)
	}
	r.event = os.NewFile(uintptr(efd), "eventfd")
	e := int32(efd)
	if err := r.register(registerEventfd, unsafe.Pointer(&e), 1); err != nil {
		return unavailable(err)
	}
	return nil
}

// probe asks for the operations that are used.
func (r *ring) probe() error {
	var p probe
	if err := r.register(registerProbe, unsafe.Pointer(&p), probeOps); err != nil { // p has room for probeOps
		return &UnavailableError{Reason: "the kernel is older than 5.6", Err: err}
	}
	for _, op := range []int{opReadv, opWritev, opFsync, opFallocate, opRead, opWrite} {
		if op > int(p.lastOp) || p.ops[op].flags&probeSupported == 0 {
			return &UnavailableError{Reason: fmt.Sprintf("the kernel lacks operation %d of io_uring", op)}
		}
	}
	r.vecs = opWritevFixed <= int(p.lastOp) && p.ops[opReadvFixed].flags&p.ops[opWritevFixed].flags&probeSupported != 0
	return nil
}

// registerArena makes the memory of an arena known to the kernel, which pins it.
func (r *ring) registerArena(a *Arena) error {
	if err := a.hold(); err != nil {
		return err
	}
	v := unix.Iovec{Base: &a.mem[0]}
	v.SetLen(len(a.mem))
	if err := r.register(registerBuffers, unsafe.Pointer(&v), 1); err != nil { // the kernel copies v
		a.release()
		return &UnavailableError{Reason: fmt.Sprintf("no arena of %d bytes can be registered (RLIMIT_MEMLOCK)", len(a.mem)), Err: err}
	}
	r.arena = a
	return nil
}

func (r *ring) mapQueues(p *ringParams) error {
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	sq, cq := &p.sqOff, &p.cqOff
	n := max(int(sq.array)+4*int(p.sqEntries), int(cq.cqes)+int(unsafe.Sizeof(cqe{}))*int(p.cqEntries))
	var err error
	if r.rings, err = unix.Mmap(r.fd, offRings, n, prot, flags); err != nil {
		return unavailable(err)
	}
	if r.entries, err = unix.Mmap(r.fd, offSQEs, int(unsafe.Sizeof(sqe{}))*int(p.sqEntries), prot, flags); err != nil {
		return unavailable(err)
	}
	// The kernel's offsets lie in the mapping just made, and are aligned.
	word := func(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.rings[off])) }
	r.sqHead, r.sqTail, r.cqHead, r.cqTail = word(sq.head), word(sq.tail), word(cq.head), word(cq.tail)
	r.sqMask, r.cqMask = *word(sq.ringMask), *word(cq.ringMask)
	// The mappings are as long as the slices; arrays of the kernel have no padding.
	r.sqes = unsafe.Slice((*sqe)(unsafe.Pointer(&r.entries[0])), p.sqEntries)
	r.cqes = unsafe.Slice((*cqe)(unsafe.Pointer(&r.rings[cq.cqes])), p.cqEntries)
	array := unsafe.Slice(word(sq.array), p.sqEntries)
	for i := range array { // entries are used in their own order
		array[i] = uint32(i)
	}
	r.tail = atomic.LoadUint32(r.sqTail)
	return nil
}

func (r *ring) register(what uintptr, arg unsafe.Pointer, n uintptr) error {
	_, _, no := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), what, uintptr(arg), n, 0, 0)
	if no != 0 {
		return no
	}
	return nil
}

// push puts an entry into the submission queue, which has room. enter submits it.
func (r *ring) push(e *sqe) {
	r.sqes[r.tail&r.sqMask] = *e
	r.tail++
	atomic.StoreUint32(r.sqTail, r.tail)
}

// enter submits n entries and returns how many the kernel has taken. It does not wait for
// completions, but works on what can be done at once. One call at a time.
func (r *ring) enter(n int) (int, error) {
	k, _, no := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(n), 0, 0, 0, 0)
	if no != 0 {
		return 0, no
	}
	return int(k), nil
}

// takeBack removes the entries that the kernel has not taken, while nobody is in enter, and calls
// each with its user data.
func (r *ring) takeBack(each func(userData uint64)) {
	head := atomic.LoadUint32(r.sqHead)
	for i := head; i != r.tail; i++ {
		each(r.sqes[i&r.sqMask].userData)
	}
	r.tail = head
	atomic.StoreUint32(r.sqTail, head)
}

// reap calls each with every completion that is there.
func (r *ring) reap(each func(userData uint64, res int32)) {
	head := atomic.LoadUint32(r.cqHead)
	for tail := atomic.LoadUint32(r.cqTail); head != tail; head++ {
		e := &r.cqes[head&r.cqMask]
		each(e.userData, e.res)
	}
	atomic.StoreUint32(r.cqHead, head) // now the kernel may use the entries again
}

// silence closes the eventfd, which ends a read of it.
func (r *ring) silence() {
	if r.event != nil {
		_ = r.event.Close()
	}
}

// close frees the ring. No operation is under way, and the eventfd is not being read.
func (r *ring) close() error {
	r.silence()
	// The kernel takes a ring apart some time after it was closed: without this it holds on to the file
	// and to the arena.
	_ = r.register(unregisterFiles, nil, 0)
	if r.arena != nil {
		_ = r.register(unregisterBuffers, nil, 0)
		r.arena.release()
		r.arena = nil
	}
	var errs []error
	for _, m := range [][]byte{r.entries, r.rings} {
		if m != nil {
			errs = append(errs, unix.Munmap(m))
		}
	}
	r.entries, r.rings = nil, nil
	errs = append(errs, unix.Close(r.fd))
	return errors.Join(errs...)
}

// address is where the kernel finds b, which is not empty. The caller keeps a reference to b until the
// operation has completed, so that the memory stays; it does not move, because what a heap
// object points to is on the heap or mapped, never on a stack.
func address(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&b[0]))) }

// vecAddress is address of a vector.
func vecAddress(v []unix.Iovec) uint64 { return uint64(uintptr(unsafe.Pointer(&v[0]))) }
