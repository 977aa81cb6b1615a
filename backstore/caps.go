package backstore

import "strings"

// Cap is a set of optional abilities, one bit for each optional interface.
type Cap uint32

// The bits of Cap.
const (
	CapFlush           Cap = 1 << iota // Flusher
	CapFUA                             // FUAWriter
	CapUnmap                           // Unmapper
	CapZero                            // Zeroer
	CapWriteSame                       // WriteSamer
	CapCompareAndWrite                 // CompareAndWriter
	CapNowait                          // NowaitIO
	CapLend                            // Lender
	CapLendMapped                      // MapLender
	CapVerify                          // Verifier
	CapExtents                         // ExtentMapper
	CapCopy                            // Copier
	CapNotify                          // Notifier
	CapIdentity                        // Identifier
	CapSubmit                          // Submitter

	// CapAll has every bit that exists.
	CapAll Cap = 1<<iota - 1
)

var capNames = [...]string{
	"flush", "fua", "unmap", "zero", "writesame", "caw", "nowait", "lend", "lendmapped", "verify", "extents", "copy",
	"notify", "identity", "submit",
}

// Has reports whether c contains all of want.
func (c Cap) Has(want Cap) bool { return c&want == want }

// String lists the names of the bits: "flush|unmap", or "none".
func (c Cap) String() string {
	if c&CapAll == 0 {
		return "none"
	}
	var names []string
	for i, name := range capNames {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "|")
}

// Abilities are the optional interfaces of one store, asserted once. An interface is nil exactly
// when its bit is not in Caps. The set is a value and never changes: what was advertised from it
// stays true while the device is there.
type Abilities struct {
	Nowait           NowaitIO // this and the next three are what most commands need: they are together
	Lender           Lender
	MapLender        MapLender
	Submitter        Submitter
	Flusher          Flusher
	FUAWriter        FUAWriter
	Caps             Cap
	Unmapper         Unmapper
	Zeroer           Zeroer
	WriteSamer       WriteSamer
	CompareAndWriter CompareAndWriter
	Verifier         Verifier
	ExtentMapper     ExtentMapper
	Copier           Copier
	Notifier         Notifier
	Identifier       Identifier
}

// Caps is what b itself implements, less Geometry().Without. There is no Unwrap: I/O on what is
// behind a wrapper would go around its offsets, encryption or fencing.
func Caps(b Backstore) Cap { return Resolve(b).Caps }

// Resolve asserts the optional interfaces of b, less Geometry().Without. Device types call it
// once, when a device is added, and use the result from then on.
func Resolve(b Backstore) Abilities {
	without := b.Geometry().Without
	var a Abilities
	resolve(&a, b, without, CapFlush, &a.Flusher)
	resolve(&a, b, without, CapFUA, &a.FUAWriter)
	resolve(&a, b, without, CapUnmap, &a.Unmapper)
	resolve(&a, b, without, CapZero, &a.Zeroer)
	resolve(&a, b, without, CapWriteSame, &a.WriteSamer)
	resolve(&a, b, without, CapCompareAndWrite, &a.CompareAndWriter)
	resolve(&a, b, without, CapNowait, &a.Nowait)
	resolve(&a, b, without, CapLend, &a.Lender)
	resolve(&a, b, without, CapLendMapped, &a.MapLender)
	resolve(&a, b, without, CapVerify, &a.Verifier)
	resolve(&a, b, without, CapExtents, &a.ExtentMapper)
	resolve(&a, b, without, CapCopy, &a.Copier)
	resolve(&a, b, without, CapNotify, &a.Notifier)
	resolve(&a, b, without, CapIdentity, &a.Identifier)
	resolve(&a, b, without, CapSubmit, &a.Submitter)
	return a
}

func resolve[T any](a *Abilities, b Backstore, without, bit Cap, field *T) {
	if without&bit != 0 {
		return
	}
	if v, ok := b.(T); ok {
		*field = v
		a.Caps |= bit
	}
}
