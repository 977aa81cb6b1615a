package backstore

import "context"

// Backstore is random-access block storage. Methods may be called concurrently, except that
// Close is called when no other method runs and no lent memory is out.
//
// I/O is all or nothing from the caller's view: nil means that every byte was moved. Offsets
// and lengths are multiples of Geometry.BlockSize and lie within Geometry.Size; a store refuses
// others with [ErrMisaligned] and [ErrOutOfRange] before any effect ([Geometry.CheckIO] does
// both). Single elements of iov may have any length, also none, and any alignment in memory; only
// their sum counts. iov and its memory belong to the caller: a store does not change the slice
// headers, nor the memory that it writes from, and must not use either after the method returned. When ctx is
// done a method may return early with ctx.Err(), but only once no I/O can touch iov any more.
//
// Of concurrent writes to the same block one wins as a whole, whatever the shape of the vectors;
// no promise is made across blocks. A read that runs at the same time as a write to the same block
// sees old and new bytes in any mixture, unless the store promises more.
type Backstore interface {
	// Geometry describes the store as it is now. It is cheap, does not block, and still answers
	// after Close.
	Geometry() Geometry

	// Readv fills iov from off. On an error the contents of iov are undefined.
	Readv(ctx context.Context, iov [][]byte, off int64) error

	// Writev stores iov at off. On an error each block of the range holds its old or its new
	// contents.
	Writev(ctx context.Context, iov [][]byte, off int64) error

	// Close releases the store. Later I/O fails with ErrClosed; a second Close returns nil.
	// Close flushes nothing: who wants durability calls Flush before and looks at its error.
	Close() error
}

// Extent is a range of bytes.
type Extent struct {
	Off, Len int64
}

// MapState is the provisioning status of a range, coded as in GET LBA STATUS (SBC-4 5.6).
type MapState uint8

const (
	Mapped      MapState = 0 // backed by storage, or not known
	Deallocated MapState = 1 // not backed; reads as zeroes
	Anchored    MapState = 2 // reads as zeroes, storage is reserved
)

// String names the state.
func (s MapState) String() string {
	switch s {
	case Mapped:
		return "mapped"
	case Deallocated:
		return "deallocated"
	case Anchored:
		return "anchored"
	}
	return "unknown"
}

// MappedExtent is a range of bytes of one provisioning status.
type MappedExtent struct {
	Extent
	State MapState
}

// Identity names a store to initiators (VPD pages 80h and 83h). Empty fields are filled in from
// the name of the device.
type Identity struct {
	Serial string // unit serial number, printable ASCII
	NAA    []byte // 8 or 16 bytes, NAA nibble included
	EUI64  []byte // 8, 12 or 16 bytes
}

// The optional interfaces of a Backstore. The comment of each says what the disk handler does
// for a store without it. All rules of Backstore hold for their methods as well: ranges are
// checked, concurrent calls are allowed, iov is not kept. A method that finds out that it cannot
// do its work here (a file system without hole punching) returns errors.ErrUnsupported before any
// effect, and the handler does as if the interface were missing.
type (
	// Flusher makes data durable. Without it the store must not be Volatile.
	Flusher interface {
		// Flush returns when everything in [off, off+n) that was written by methods that
		// returned before the call is on stable storage. n = 0 means to the end of the store.
		// Flushing more than was asked for is allowed. An error means that data may be lost,
		// and it must not be forgotten: later flushes fail too until the store knows better.
		Flush(ctx context.Context, off, n int64) error
	}

	// FUAWriter writes through the cache. Without it: Writev, then Flush of the range.
	FUAWriter interface {
		// WritevFUA is Writev whose data is on stable storage when it returns nil.
		WritevFUA(ctx context.Context, iov [][]byte, off int64) error
	}

	// Unmapper frees blocks. Without it the disk is fully provisioned: UNMAP is refused and
	// not advertised.
	Unmapper interface {
		// Unmap deallocates the extents; they read as zeroes afterwards. Parts that a store
		// cannot free (less than Geometry.DiscardUnit) are written with zeroes. On an error
		// any part of the extents may have been done.
		Unmap(ctx context.Context, extents []Extent) error
	}

	// Zeroer writes zeroes. Without it: Writev of a page of zeroes, repeated.
	Zeroer interface {
		// WriteZeroes makes [off, off+n) read as zeroes. With mayUnmap the blocks may be
		// deallocated, without it they must stay or become allocated.
		WriteZeroes(ctx context.Context, off, n int64, mayUnmap bool) error
	}

	// WriteSamer repeats one block. Without it: Writev in chunks, with the context checked in
	// between.
	WriteSamer interface {
		// WriteSame stores block, of BlockSize bytes, at each block of [off, off+n).
		WriteSame(ctx context.Context, block []byte, off, n int64) error
	}

	// CompareAndWriter compares and writes as one step. Without it the disk handler locks the
	// range against its own writes, reads, compares and writes. A store that others write to
	// as well (clustered storage) has to implement it.
	CompareAndWriter interface {
		// CompareAndWrite writes the bytes of write at off if the store holds the bytes of
		// compare there; else it changes nothing and returns a *MiscompareError. Both have the
		// same total length. The step is atomic against every other modifying method.
		CompareAndWrite(ctx context.Context, compare, write [][]byte, off int64) error
	}

	// NowaitIO moves data without blocking. It is tried first, on the goroutine that received
	// the command. Without it every transfer goes to a worker.
	NowaitIO interface {
		// TryReadv is Readv, or ErrWouldBlock, after which the contents of iov are undefined.
		TryReadv(iov [][]byte, off int64) error
		// TryWritev is Writev, or ErrWouldBlock with the store unchanged: a store that has
		// moved a part finishes the rest, even if that blocks, because another command may
		// come between the attempt and its repetition.
		TryWritev(iov [][]byte, off int64) error
	}

	// Lender lends its own memory for reading, which saves a copy. Without it: Readv into a
	// buffer of the pool.
	Lender interface {
		// Lend appends to dst slices that together are [off, off+n) and returns the longer
		// dst and a function that gives the memory back, called exactly once from any
		// goroutine, also after later writes. Until then the bytes must not change: a write
		// meanwhile goes to a copy. The borrower does not write to them. ok is false, dst
		// unchanged and release nil, when the range cannot be lent right now or is not valid;
		// the caller then uses Readv, which says why. Lend does not block.
		Lend(off, n int64, dst [][]byte) (iov [][]byte, release func(), ok bool)
	}

	// MapLender lends memory that it has mapped, a file in the page cache for example, so that
	// system calls take the data from there. Without it: as without Lender. It is asked after
	// Lender, and only for a command whose data nobody but the system looks at.
	MapLender interface {
		// LendMapped is Lend of memory that only system calls may touch: where it is cut off
		// behind the mapping, or its device fails, a system call that reads it fails with
		// EFAULT, and a program that does so by itself is killed. The bytes are those at the
		// time of use: a write meanwhile may show. ok is false also when to read the
		// memory would have to wait for a device. LendMapped does not block.
		LendMapped(off, n int64, dst [][]byte) (iov [][]byte, release func(), ok bool)
		// Intact reports whether all of the store can still be had from its mapping. What was
		// changed behind its back need not make a system call fail: of the page in which a file
		// was cut off, the rest reads as zeroes. The caller asks before it borrows, and takes
		// the answer for every command that had arrived by then, so that many which came
		// together cost one look. Intact does not block.
		Intact() bool
	}

	// Verifier checks that a range is readable. Without it: Readv and drop.
	Verifier interface {
		Verify(ctx context.Context, off, n int64) error
	}

	// ExtentMapper tells which blocks are allocated. Without it all blocks are Mapped. Blocks that
	// are not Mapped read as zeroes; the map may say Mapped of more blocks than were written, and
	// Deallocated of zeroes for which storage is reserved.
	ExtentMapper interface {
		// AppendExtents appends extents that follow each other without gaps from off on,
		// neighbours differing in state, and returns the longer dst. It stops at off+n, or
		// when cap(dst) is reached, but appends at least one extent. Extents are cut to
		// [off, off+n) and are multiples of BlockSize.
		AppendExtents(ctx context.Context, dst []MappedExtent, off, n int64) ([]MappedExtent, error)
	}

	// Copier copies without moving data through the caller. Without it: Readv and Writev.
	Copier interface {
		// CopyRange copies n bytes from src to the store. src may be the store itself; then
		// the ranges do not overlap. A src that it does not know is errors.ErrUnsupported.
		CopyRange(ctx context.Context, dstOff int64, src Backstore, srcOff, n int64) error
	}

	// Notifier announces changes. Without it a store keeps its geometry for life.
	Notifier interface {
		// Notify has fn called at each event until stop is called. fn runs without locks on
		// any goroutine, one call per event; it must not block and may call Geometry and stop.
		// A call that is under way when stop returns may still be running.
		Notify(fn func(Event)) (stop func())
	}

	// Identifier knows names for the store that last. Without it the disk handler makes them
	// from the name of the device.
	Identifier interface {
		// Identity is called once, when the device is added.
		Identity() Identity
	}
)
