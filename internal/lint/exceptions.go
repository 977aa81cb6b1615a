package lint

import "sort"

// Exceptions are the places that a rule allows though it forbids their like. An entry maps a
// place to the reason for it; an entry that no code needs is a finding of its own.
type Exceptions struct {
	Panics  *list // "file.go:Func" or "file.go:Type.Method"
	Globals *list // "package.name"
	Unsafe  *list // "file.go"
	Imports *list // "file.go:package"
	Exits   *list // "file.go:Func"
	Inits   *list // "file.go"
	Skips   *list // "file.go:Func"
}

// exceptions returns the lists for this module, all entries unused as yet.
func exceptions() *Exceptions {
	return &Exceptions{
		Panics: newList(map[string]string{
			"backstore/faultstore/store.go:Store.call":     "a rule says so",
			"backstore/file/mapping.go:mapping.unref":      "a reader releases lent memory twice",
			"backstore/mem/lend.go:lease.giveBack":         "a reader releases lent memory twice",
			"backstore/mem/store.go:New":                   "cannot be reached: the size is clamped to what the defaults take",
			"fabric/iscsi/conn.go:finally":                 "a panic goes on that was asked for, so that nothing waits for its locks",
			"fabric/local/command.go:Initiator.Start":      "a command is started while it is in progress",
			"backstore/null/null.go:New":                   "cannot be reached: the size is clamped to what the defaults take",
			"backstore/op.go:Op.Arm":                       "the handler arms an Op that the store still has",
			"backstore/op.go:Completion.Complete":          "a store completes an Op twice, or one it does not have",
			"internal/invariant/invariant.go:Check":        "a broken invariant, in debug builds only",
			"internal/rangelock/rangelock.go:Guard.Unlock": "a range is unlocked twice",
			"internal/task/task.go:State.Defer":            "a handler defers twice, or outside of Exec",
			"internal/task/task.go:State.Complete":         "a handler ends a command twice, or one that is another's by now",
			"scsi/engine/task.go:task.gone":                "a transport answers Respond twice, or without having been asked",
			"sgv/alloc_slots.go:slotChunk.take":            "an invariant of the arena: going on would hand out memory twice",
			"sgv/alloc_slots.go:slotChunk.drop":            "a segment is freed twice",
			"sgv/buf.go:Buf.Append":                        "a range outside of the buffer, as slicing panics",
			"sgv/buf.go:Buf.misuse":                        "a buffer is used after its release",
			"sgv/limit.go:Limit.Acquire":                   "a negative size",
			"sgv/limit.go:Limit.Release":                   "a negative size",
			"sgv/limit.go:Limit.uncharge":                  "more is given back than was charged",
		}),
		Globals: newList(map[string]string{
			"backstore.waiters": "a free list of idle channels: what is in it has no owner and no history",
			"internal/task.of":  "set once by package scsi while it is initialised, constant afterwards",
		}),
		Unsafe: newList(map[string]string{
			"backstore/block/ioctl_linux.go":            "numbers that ioctls write and read, of the size that each has",
			"backstore/file/mapping_linux.go":           "the addresses that mincore is asked about",
			"backstore/internal/osfile/nowait_linux.go": "the vector of a raw preadv2",
			"backstore/uring/abi_linux.go":              "the sizes of the kernel's structures, checked when compiling",
			"backstore/uring/ring_linux.go":             "the mappings of a ring, and addresses that the kernel is given",
			"fabric/iscsi/rawio_linux.go":               "the vectors of readv and writev, without a copy of the slices for each call",
			"internal/bench/wire/raw_linux.go":          "read, write and writev without the scheduler's knowledge, as fast as in C",
			"sgv/alloc_linux.go":                        "mappings of the kernel as slices",
			"sgv/alloc.go":                              "the address of a segment, to see whether it is aligned",
			"sgv/alloc_slots.go":                        "the address of a segment, to find the chunk that it is of",
		}),
		Imports: newList(map[string]string{
			"backstore/mem/arena_linux.go:reflect": "the address of a mapping, once for each, instead of unsafe",
		}),
		Exits: newList(map[string]string{
			"internal/leak/goroutine.go:Main": "it ends the process of a test, as its TestMain would",
		}),
		Inits: newList(map[string]string{}),
		Skips: newList(map[string]string{
			"backstore/backstoretest/abilities.go:suite.testAbilities":   "what the user's store cannot do shows in the output",
			"backstore/backstoretest/durability.go:suite.testDurability": "what the user gave no function for shows in the output",
			"internal/peers/tool.go:Missing":                             "the one place where a test may be skipped",
		}),
	}
}

// list is a set of excepted places and of those that were asked for.
type list struct {
	reasons map[string]string
	used    map[string]bool
}

func newList(reasons map[string]string) *list {
	return &list{reasons: reasons, used: make(map[string]bool)}
}

// has reports whether the place is excepted, and notes that it exists.
func (l *list) has(place string) bool {
	_, ok := l.reasons[place]
	if ok {
		l.used[place] = true
	}
	return ok
}

// idle returns the places that nothing asked for, sorted.
func (l *list) idle() []string {
	var places []string
	for place := range l.reasons {
		if !l.used[place] {
			places = append(places, place)
		}
	}
	sort.Strings(places)
	return places
}

// checkExceptions runs the rules that consult the lists, and reports the entries left over.
func checkExceptions(r *Repo, rep *Reporter) {
	for _, check := range []func(*Repo, *Reporter){
		checkPanic, checkGlobals, checkUnsafe, checkStd, checkExit, checkInit, checkSkip,
	} {
		check(r, &Reporter{})
	}
	for _, x := range []struct {
		name string
		list *list
	}{
		{"Panics", r.Known.Panics}, {"Globals", r.Known.Globals}, {"Unsafe", r.Known.Unsafe},
		{"Imports", r.Known.Imports}, {"Exits", r.Known.Exits}, {"Inits", r.Known.Inits}, {"Skips", r.Known.Skips},
	} {
		for _, place := range x.list.idle() {
			rep.Report("internal/lint/exceptions.go", x.name+": nothing needs the exception for "+place)
		}
		for place, reason := range x.list.reasons {
			if reason == "" {
				rep.Report("internal/lint/exceptions.go", x.name+": "+place+" has no reason")
			}
		}
	}
}
