package faultstore

import (
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/goscst/goscst/backstore"
)

// ErrInjected is the error of rules that name no other.
var ErrInjected = errors.New("faultstore: injected error")

// Ops is a set of kinds of calls.
type Ops uint16

// The kinds of calls.
const (
	OpRead      Ops = 1 << iota // Readv, TryReadv, Lend, LendMapped
	OpWrite                     // Writev, TryWritev
	OpFUA                       // WritevFUA
	OpFlush                     // Flush
	OpUnmap                     // Unmap, once for each extent
	OpZero                      // WriteZeroes
	OpWriteSame                 // WriteSame
	OpCompare                   // CompareAndWrite
	OpVerify                    // Verify
	OpExtents                   // AppendExtents
	OpCopy                      // CopyRange, by its destination
	OpClose                     // Close

	OpAny = OpClose - 1 // everything but Close
)

var opNames = [...]string{
	"read", "write", "fua", "flush", "unmap", "zero", "writesame", "compare", "verify", "extents", "copy", "close",
}

// String lists the names: "read|write", "any", "none".
func (o Ops) String() string {
	if o == OpAny {
		return "any"
	}
	var names []string
	for i, name := range opNames {
		if o&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, "|")
}

// Rule says which calls fail and how. Calls that match in kind and range are counted for each rule;
// the first rule of a list whose count says so acts, and only that.
type Rule struct {
	Ops Ops // kinds of calls

	// Range is what a call must touch to match. Len 0: everything.
	Range backstore.Extent

	From   int     // number of the first matching call that fails, from 1 on; 0: 1
	Times  int     // how many fail from there on; 0: all
	Chance float64 // of those, how many really do, 0 to 1; 0: all

	Delay   time.Duration // wait first; ends early with the context
	Stick   bool          // then wait for Release, whatever the context
	Panic   bool          // then panic
	Partial bool          // do the first half of the blocks before failing with Err
	Err     error         // then fail; nil without Partial: carry on as if nothing had happened
}

// rules are those of a Store, with their counts.
type rules struct {
	list  []Rule
	count []int
	rng   *rand.Rand
}

// find counts a call and returns the rule that acts on it, or nil. With peek nothing is counted, and
// a rule that acts by chance is returned.
func (r *rules) find(op Ops, e backstore.Extent, peek bool) *Rule {
	var acts *Rule
	for i := range r.list {
		rule := &r.list[i]
		if rule.Ops&op == 0 || !rule.touches(e) {
			continue
		}
		n := r.count[i] + 1
		if !peek {
			r.count[i] = n
		}
		first := max(rule.From, 1)
		if acts != nil || n < first || rule.Times > 0 && n >= first+rule.Times {
			continue
		}
		if !peek && rule.Chance > 0 && r.rng.Float64() >= rule.Chance {
			continue
		}
		acts = rule
	}
	return acts
}

func (r *Rule) touches(e backstore.Extent) bool {
	return r.Range.Len == 0 || e.Off < r.Range.Off+r.Range.Len && r.Range.Off < e.Off+e.Len
}
