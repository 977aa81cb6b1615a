package unit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/spc"
)

// Saved mode pages are kept under savedKey: the version of the format, and the pages as
// they stand in a parameter list.
const (
	savedKey     = "modepages"
	savedVersion = 1
)

// modeSelect is MODE SELECT(6) and (10) (SPC-4 6.11, 6.12): the whole list is checked
// before anything changes, and then everything changes or nothing.
func (u *Unit) modeSelect(c *scsi.Command) error {
	cdb := c.CDB()
	save := cdb[1]&0x01 != 0
	switch {
	case cdb[1]&0x02 != 0: // RTD of SPC-5
		return scsi.BadCDB(1, 1)
	case save && !u.Host().Persistent():
		return scsi.BadCDB(1, 0)
	case c.Count() == 0:
		return nil
	case cdb[1]&0x10 == 0: // PF: pages in a vendor's format
		return scsi.BadCDB(1, 4)
	}
	list := c.Params(nil)
	if len(list) < int(c.Count()) {
		return scsi.ParameterListLength
	}
	select {
	case u.selecting <- struct{}{}:
		defer func() { <-u.selecting }()
	case <-c.Context().Done():
		return scsi.CommandAborted
	}
	next, err := u.checkList(c, list)
	if err != nil {
		return err
	}
	changed, err := u.apply(c.Context(), next)
	if err != nil {
		return err
	}
	if save {
		if err := u.save(next); err != nil {
			u.undo(changed)
			return &scsi.SenseError{Sense: scsi.InternalTargetFailure, Cause: err}
		}
	}
	u.commit(next, save)
	if len(changed) > 0 {
		u.Host().Raise(scsi.ModeParametersChanged, c.Nexus())
	}
	return nil
}

// checkList checks a parameter list and returns the values that it asks for, by the
// index of the page; nil for pages that it does not mention.
func (u *Unit) checkList(c *scsi.Command, list []byte) ([][]byte, error) {
	ten := c.CDB()[0] == byte(scsi.OpModeSelect10)
	h, at, err := spc.ParseModeHeader(list, ten)
	if err != nil {
		return nil, scsi.ParameterListLength
	}
	if h.MediumType != 0 {
		if ten {
			return nil, scsi.BadParam(2, 7)
		}
		return nil, scsi.BadParam(1, 7)
	}
	if h.DescriptorLen > len(list)-at {
		return nil, scsi.ParameterListLength
	}
	if err := u.checkDescriptor(c, list[at:at+h.DescriptorLen], at, h.LongLBA); err != nil {
		return nil, err
	}
	next := make([][]byte, len(u.pages))
	for at += h.DescriptorLen; at < len(list); {
		i, err := u.findPage(list[at:], at)
		if err != nil {
			return nil, err
		}
		p := &u.pages[i]
		v := bytes.Clone(list[at : at+len(p.Default)])
		v[0] &^= 0x80 // PS is reserved here
		base := next[i]
		if base == nil {
			base = u.CurrentPage(p.code, p.subcode)
		}
		if err := p.check(v, base, at); err != nil {
			return nil, err
		}
		next[i] = v
		at += len(v)
	}
	return next, nil
}

// checkDescriptor accepts no block descriptor, or one that changes nothing; it stands at
// offset at.
func (u *Unit) checkDescriptor(c *scsi.Command, b []byte, at int, long bool) error {
	if len(b) == 0 {
		return nil
	}
	lengthAt := at - 1 // BLOCK DESCRIPTOR LENGTH ends before the first descriptor
	p := u.params(c)
	if len(b) != descriptorLen(long) || !p.Descriptor {
		return scsi.BadParam(lengthAt, -1)
	}
	d, err := spc.ParseBlockDescriptor(b, long)
	if err != nil {
		return scsi.BadParam(lengthAt, -1)
	}
	same := d.Blocks == p.Blocks || !long && p.Blocks > 0xFFFFFFFF && d.Blocks == 0xFFFFFFFF
	if d.Blocks != 0 && !same { // zero means unchanged
		return scsi.BadParam(at, -1)
	}
	if d.BlockSize != p.BlockSize {
		if long {
			return scsi.BadParam(at+12, -1)
		}
		return scsi.BadParam(at+5, -1)
	}
	return nil
}

// findPage is the index of the page at the start of b, which stands at offset at of the
// list and is checked to be there as a whole.
func (u *Unit) findPage(b []byte, at int) (int, error) {
	if len(b) < 2 || len(b) < headerLen(b) {
		return 0, scsi.ParameterListLength
	}
	spf := headerLen(b) == 4
	known := false
	for i := range u.pages {
		p := &u.pages[i]
		if p.code != b[0]&0x3F {
			continue
		}
		known = true
		if spf != (headerLen(p.Default) == 4) || spf && p.subcode != b[1] {
			continue
		}
		n, lengthAt := int(b[1]), at+1
		if spf {
			n, lengthAt = int(binary.BigEndian.Uint16(b[2:])), at+2
		}
		switch {
		case n != len(p.Default)-headerLen(p.Default):
			return 0, scsi.BadParam(lengthAt, 7)
		case len(b) < len(p.Default):
			return 0, scsi.ParameterListLength
		}
		return i, nil
	}
	switch {
	case !known:
		return 0, scsi.BadParam(at, 5)
	case spf:
		return 0, scsi.BadParam(at+1, 7)
	}
	return 0, scsi.BadParam(at, 6)
}

// check compares v with the values that it would replace, and asks the owner of the page.
// v stands at offset at of the list.
func (p *page) check(v, base []byte, at int) error {
	for j := headerLen(v); j < len(v); j++ {
		if fixed := (v[j] ^ base[j]) &^ p.Changeable[j]; fixed != 0 {
			return scsi.BadParam(at+j, bits.Len8(fixed)-1)
		}
	}
	if p.Check == nil {
		return nil
	}
	err := p.Check(v)
	var e *scsi.SenseError
	if errors.As(err, &e) && e.Field != nil && e.Field.Data {
		moved, field := *e, *e.Field
		field.Byte += uint16(at)
		moved.Field = &field
		return &moved
	}
	return err
}

// apply makes the values take effect that differ from the current ones, and returns the
// indices of their pages; after an error everything is as before.
func (u *Unit) apply(ctx context.Context, next [][]byte) (changed []int, err error) {
	for i, v := range next {
		p := &u.pages[i]
		if v == nil || bytes.Equal(v, u.CurrentPage(p.code, p.subcode)) {
			continue
		}
		if p.Apply != nil {
			if err := p.Apply(ctx, v); err != nil {
				u.undo(changed)
				return nil, err
			}
		}
		changed = append(changed, i)
	}
	return changed, nil
}

// undo makes the current values take effect again. What fails now has worked before;
// there is nobody left to tell.
func (u *Unit) undo(changed []int) {
	for _, i := range changed {
		if p := &u.pages[i]; p.Apply != nil {
			_ = p.Apply(context.Background(), u.CurrentPage(p.code, p.subcode))
		}
	}
}

// commit makes values that have taken effect visible; with save they are also the saved
// ones.
func (u *Unit) commit(next [][]byte, save bool) {
	u.modeMu.Lock()
	defer u.modeMu.Unlock()
	for i := range u.pages {
		p := &u.pages[i]
		if next[i] != nil {
			p.current = next[i]
		}
		if save && p.saveable() {
			p.saved = p.current
		}
	}
}

// save keeps every page that can be saved, with the values of next where there are
// some (SPC-4 6.11, SP).
func (u *Unit) save(next [][]byte) error {
	blob := []byte{savedVersion}
	for i, v := range next {
		p := &u.pages[i]
		if !p.saveable() {
			continue
		}
		if v == nil {
			v = u.CurrentPage(p.code, p.subcode)
		}
		blob = append(blob, v...)
	}
	return u.Host().Save(savedKey, blob)
}

// restore reads what save wrote and makes it current. Pages that the unit does not have
// any more, or in another form, keep their defaults, and so do bits that cannot be
// changed any more.
func (u *Unit) restore(blob []byte) error {
	if len(blob) == 0 || blob[0] != savedVersion {
		return fmt.Errorf("unit: saved mode pages have an unknown format")
	}
	u.selecting <- struct{}{}
	defer func() { <-u.selecting }()
	for m, err := range spc.ModePages(blob[1:]) {
		if err != nil {
			return fmt.Errorf("unit: saved mode pages are damaged: %w", err)
		}
		i, err := u.findPage(m.Bytes, 0)
		if err != nil {
			continue
		}
		p := &u.pages[i]
		v := bytes.Clone(p.Default)
		for j := headerLen(v); j < len(v); j++ {
			v[j] = v[j]&^p.Changeable[j] | m.Bytes[j]&p.Changeable[j]
		}
		if p.check(v, p.Default, 0) == nil {
			u.modeMu.Lock()
			p.saved = v
			u.modeMu.Unlock()
		}
	}
	return u.toSaved()
}

// revert makes saved values current. A page whose saved values cannot take effect keeps
// the current ones.
func (u *Unit) revert() {
	u.selecting <- struct{}{}
	defer func() { <-u.selecting }()
	_ = u.toSaved()
}

// toSaved is revert for who holds selecting.
func (u *Unit) toSaved() error {
	var errs []error
	for i := range u.pages {
		p := &u.pages[i]
		u.modeMu.Lock()
		current, saved := p.current, p.saved
		u.modeMu.Unlock()
		if bytes.Equal(current, saved) {
			continue
		}
		if p.Apply != nil {
			if err := p.Apply(context.Background(), saved); err != nil {
				errs = append(errs, fmt.Errorf("unit: mode page %02xh: %w", p.code, err))
				continue
			}
		}
		u.modeMu.Lock()
		p.current = saved
		u.modeMu.Unlock()
	}
	return errors.Join(errs...)
}
