package faultstore

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goscst/goscst/backstore"
)

// errorNames are the errors that rules can name.
var errorNames = []struct {
	name string
	err  error
}{
	{"io", ErrInjected},
	{"nospace", backstore.ErrNoSpace},
	{"readonly", backstore.ErrReadOnly},
	{"notready", backstore.ErrNotReady},
	{"nomedium", backstore.ErrNoMedium},
	{"busy", backstore.ErrBusy},
	{"fenced", backstore.ErrFenced},
	{"unsupported", errors.ErrUnsupported},
}

// ParseRules reads rules, one in a line; "#" begins a comment and ";" ends a line as well. A rule is
// the kinds of calls joined by "|" ("any" is all but close), followed by words in any order:
//
//	nth=N           the Nth matching call, short for from=N times=1
//	from=N times=N  the first call that fails, and how many do
//	chance=P        how many of those really do, 0 to 1
//	range=OFF+LEN   calls that touch the range; sizes may end in KiB, MiB, GiB or TiB
//	delay=D         wait, as time.ParseDuration reads it
//	stick           wait for Release
//	panic           panic
//	partial         do the first half of the blocks first
//	error=NAME      io, nospace, readonly, notready, nomedium, busy, fenced, unsupported
func ParseRules(text string) ([]Rule, error) {
	var list []Rule
	for i, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == ';' }) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		r, err := parseRule(words)
		if err != nil {
			return nil, fmt.Errorf("faultstore: rule %d: %w", i+1, err)
		}
		list = append(list, r)
	}
	return list, nil
}

func parseRule(words []string) (Rule, error) {
	var r Rule
	var err error
	if r.Ops, err = parseOps(words[0]); err != nil {
		return r, err
	}
	seen := map[string]bool{}
	for _, word := range words[1:] {
		key, value, hasValue := strings.Cut(word, "=")
		if seen[key] {
			return r, fmt.Errorf("%q is there twice", key)
		}
		seen[key] = true
		if err := r.set(key, value, hasValue); err != nil {
			return r, err
		}
	}
	if seen["nth"] && (seen["from"] || seen["times"]) {
		return r, errors.New("nth excludes from and times")
	}
	if r.Partial && r.Err == nil {
		return r, errors.New("partial needs an error")
	}
	if r.Delay == 0 && !r.Stick && !r.Panic && r.Err == nil {
		return r, errors.New("nothing to do")
	}
	return r, nil
}

// set takes one word of a rule.
func (r *Rule) set(key, value string, hasValue bool) (err error) {
	switch key {
	case "stick", "panic", "partial":
		if hasValue {
			return fmt.Errorf("%s takes no value", key)
		}
		r.Stick = r.Stick || key == "stick"
		r.Panic = r.Panic || key == "panic"
		r.Partial = r.Partial || key == "partial"
	case "nth":
		r.From, err = parseCount(value)
		r.Times = 1
	case "from":
		r.From, err = parseCount(value)
	case "times":
		r.Times, err = parseCount(value)
	case "chance":
		r.Chance, err = strconv.ParseFloat(value, 64)
		if err == nil && !(r.Chance > 0 && r.Chance <= 1) {
			err = fmt.Errorf("chance %q is not from 0 to 1", value)
		}
	case "range":
		r.Range, err = parseRange(value)
	case "delay":
		r.Delay, err = time.ParseDuration(value)
		if err == nil && r.Delay <= 0 {
			err = fmt.Errorf("delay %q is not positive", value)
		}
	case "error":
		for _, e := range errorNames {
			if e.name == value {
				r.Err = e.err
				return nil
			}
		}
		err = fmt.Errorf("unknown error %q", value)
	default:
		err = fmt.Errorf("unknown word %q", key)
	}
	return err
}

// String is the rule as ParseRules reads it. An Err without a name shows as io.
func (r Rule) String() string {
	words := []string{r.Ops.String()}
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	switch {
	case r.From > 0 && r.Times == 1:
		add("nth=%d", r.From)
	default:
		if r.From > 0 {
			add("from=%d", r.From)
		}
		if r.Times > 0 {
			add("times=%d", r.Times)
		}
	}
	if r.Chance > 0 {
		words = append(words, "chance="+strconv.FormatFloat(r.Chance, 'g', -1, 64))
	}
	if r.Range.Len > 0 {
		add("range=%d+%d", r.Range.Off, r.Range.Len)
	}
	if r.Delay > 0 {
		add("delay=%v", r.Delay)
	}
	if r.Stick {
		add("stick")
	}
	if r.Panic {
		add("panic")
	}
	if r.Partial {
		add("partial")
	}
	if r.Err != nil {
		name := "io"
		for _, e := range errorNames {
			if errors.Is(r.Err, e.err) {
				name = e.name
			}
		}
		add("error=%s", name)
	}
	return strings.Join(words, " ")
}

func parseOps(s string) (Ops, error) {
	var ops Ops
next:
	for _, word := range strings.Split(s, "|") {
		if word == "any" {
			ops |= OpAny
			continue
		}
		for i, name := range opNames {
			if name == word {
				ops |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("unknown kind of call %q", word)
	}
	return ops, nil
}

func parseCount(s string) (int, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a count", s)
	}
	return int(n), nil
}

func parseRange(s string) (backstore.Extent, error) {
	off, n, ok := strings.Cut(s, "+")
	if !ok {
		return backstore.Extent{}, fmt.Errorf("range %q is not OFF+LEN", s)
	}
	var e backstore.Extent
	var err error
	if e.Off, err = parseSize(off); err != nil {
		return e, err
	}
	if e.Len, err = parseSize(n); err != nil {
		return e, err
	}
	if e.Len == 0 || e.Len > math.MaxInt64-e.Off {
		return e, fmt.Errorf("range %q does not fit", s)
	}
	return e, nil
}

func parseSize(s string) (int64, error) {
	num, shift := s, 0
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if cut, ok := strings.CutSuffix(s, unit); ok {
			num, shift = cut, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(num, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("%q is not a size", s)
	}
	return n << shift, nil
}
