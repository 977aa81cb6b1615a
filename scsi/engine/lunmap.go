package engine

import "github.com/goscst/goscst/scsi"

// lunTable maps logical unit numbers to pointers: 64 pages of 256, so that a lookup is
// two loads and a change copies one page. The zero value is empty. A table is never
// changed once it can be seen; with makes a new one.
type lunTable[T comparable] struct {
	pages [(scsi.MaxLUN + 1) / 256]*[256]T
}

func (t *lunTable[T]) get(lun uint16) (v T) {
	if lun > scsi.MaxLUN {
		return v
	}
	if p := t.pages[lun>>8]; p != nil {
		return p[lun&0xFF]
	}
	return v
}

// with is the table with v at lun; the zero value removes.
func (t lunTable[T]) with(lun uint16, v T) lunTable[T] {
	p := new([256]T)
	if old := t.pages[lun>>8]; old != nil {
		*p = *old
	}
	p[lun&0xFF] = v
	var zero [256]T
	if *p == zero {
		p = nil
	}
	t.pages[lun>>8] = p
	return t
}

// lunEdit changes a table in many places at once, and copies each page once.
type lunEdit[T comparable] struct {
	table lunTable[T]
	own   [len(lunTable[T]{}.pages)]bool // pages that nobody else can see
}

// set is with, for the table that done will return.
func (e *lunEdit[T]) set(lun uint16, v T) {
	i := lun >> 8
	if !e.own[i] {
		p := new([256]T)
		if old := e.table.pages[i]; old != nil {
			*p = *old
		}
		e.table.pages[i], e.own[i] = p, true
	}
	e.table.pages[i][lun&0xFF] = v
}

// done returns the new table. What is set afterwards is not in it.
func (e *lunEdit[T]) done() *lunTable[T] {
	var zero [256]T
	for i, own := range e.own {
		if own && *e.table.pages[i] == zero {
			e.table.pages[i] = nil
		}
		e.own[i] = false
	}
	t := e.table
	return &t
}

// each calls f for every entry in ascending order.
func (t *lunTable[T]) each(f func(lun uint16, v T)) {
	var zero T
	for i, p := range t.pages {
		if p == nil {
			continue
		}
		for j, v := range p {
			if v != zero {
				f(uint16(i<<8|j), v)
			}
		}
	}
}
