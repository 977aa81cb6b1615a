package scsitest

import (
	"bytes"
	"slices"
	"testing"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/spc"
)

// readPages reads mode pages without block descriptors.
func readPages(t *testing.T, r *Recorder, pc spc.PageCtl, page, subpage uint8) []spc.ModePage {
	t.Helper()
	cdb := modeSense(scsi.OpModeSense10, byte(pc)<<6|page, subpage, 0xFFFF)
	cdb[1] = 0x08 // DBD
	res := r.Do(cdb, nil)
	if res.Status != scsi.StatusGood {
		t.Fatalf("MODE SENSE % x ends with %v", cdb, res.Err)
	}
	h, n, err := spc.ParseModeHeader(res.Data, true)
	if err != nil || h.DescriptorLen != 0 || h.DataLength != len(res.Data)-2 {
		t.Fatalf("MODE SENSE % x: header %+v of %d bytes, %v", cdb, h, len(res.Data), err)
	}
	var list []spc.ModePage
	for p, err := range spc.ModePages(res.Data[n:]) {
		if err != nil {
			t.Fatalf("MODE SENSE % x: %v", cdb, err)
		}
		list = append(list, p)
	}
	return list
}

// testModeSense reads all pages at once and one by one, in all four forms.
func testModeSense(t *testing.T, r *Recorder) {
	if !lists(r, scsi.OpModeSense10) {
		t.Log("the handler has no MODE SENSE(10)")
		return
	}
	all := readPages(t, r, spc.CurrentValues, spc.AllPages, spc.AllSubpages)
	order := func(a, b spc.ModePage) int {
		return (int(a.Page-1)<<8 | int(a.Subpage)) - (int(b.Page-1)<<8 | int(b.Subpage))
	}
	if !slices.IsSortedFunc(all, order) {
		t.Error("mode pages are not in order")
	}
	for _, pc := range []spc.PageCtl{spc.CurrentValues, spc.ChangeableValues, spc.DefaultValues, spc.SavedValues} {
		list := readPages(t, r, pc, spc.AllPages, spc.AllSubpages)
		if len(list) != len(all) {
			t.Errorf("PC=%d: %d pages, %d with PC=0", pc, len(list), len(all))
			continue
		}
		for i, p := range list {
			one := readPages(t, r, pc, p.Page, p.Subpage)
			if len(one) != 1 || !bytes.Equal(one[0].Bytes, p.Bytes) {
				t.Errorf("PC=%d: %s is %+v alone and % x with all", pc, name(p), one, p.Bytes)
			}
			if len(p.Bytes) != len(all[i].Bytes) || p.Page != all[i].Page {
				t.Errorf("PC=%d: %s is % x, % x with PC=0", pc, name(p), p.Bytes, all[i].Bytes)
			}
		}
	}
	for page := range uint8(spc.AllPages) {
		if slices.ContainsFunc(all, func(p spc.ModePage) bool { return p.Page == page }) {
			continue
		}
		if res := r.Do(modeSense(scsi.OpModeSense6, page, 0, 255), nil); res.Code() != scsi.InvalidFieldInCDB {
			t.Errorf("MODE SENSE of page %02xh, which is not there, ends with %v, %v", page, res.Status, res.Err)
		}
	}
}

// testModeSelect writes back what it has read, which changes nothing, and then every bit
// that cannot be changed, which is refused.
func testModeSelect(t *testing.T, r *Recorder) {
	if !lists(r, scsi.OpModeSelect10) {
		t.Log("the handler has no MODE SELECT(10)")
		return
	}
	before := readPages(t, r, spc.CurrentValues, spc.AllPages, spc.AllSubpages)
	masks := readPages(t, r, spc.ChangeableValues, spc.AllPages, spc.AllSubpages)
	var all []byte
	for _, p := range before {
		all = append(all, p.Bytes...)
	}
	r.Host.Raised()
	if res := selectPages(r, all); res.Status != scsi.StatusGood {
		t.Errorf("MODE SELECT of what MODE SENSE says ends with %v", res.Err)
	}
	if raised := r.Host.Raised(); len(raised) != 0 {
		t.Errorf("MODE SELECT that changes nothing raises %v", raised)
	}
	for i, p := range before {
		header := len(p.Bytes) - len(p.Params)
		for bit := header * 8; bit < len(p.Bytes)*8; bit++ {
			if masks[i].Bytes[bit/8]>>(bit%8)&1 != 0 {
				continue
			}
			// Behind all pages, so that nothing may have been changed before it.
			list := append(slices.Clone(all), p.Bytes...)
			list[len(all)+bit/8] ^= 1 << (bit % 8)
			res := selectPages(r, list)
			if res.Code() != scsi.InvalidFieldInParams || res.Sense.Field == nil || int(res.Sense.Field.Byte) != 8+len(all)+bit/8 {
				t.Errorf("%s: MODE SELECT of bit %d of byte %d, which cannot change, ends with %v", name(p), bit%8, bit/8, res.Err)
			}
		}
	}
	for n := range len(all) {
		if cut := isCut(all[:n]); cut != (selectPages(r, all[:n]).Code() == scsi.ParameterListLength) {
			t.Errorf("MODE SELECT of %d of %d bytes: refused %v, want %v", n, len(all), !cut, cut)
		}
	}
	for i, p := range readPages(t, r, spc.CurrentValues, spc.AllPages, spc.AllSubpages) {
		if !bytes.Equal(p.Bytes, before[i].Bytes) {
			t.Errorf("%s has changed from % x to % x", name(p), before[i].Bytes, p.Bytes)
		}
	}
}

// isCut reports whether a list ends within a page.
func isCut(list []byte) bool {
	for _, err := range spc.ModePages(list) {
		if err != nil {
			return true
		}
	}
	return false
}

func selectPages(r *Recorder, pages []byte) Result {
	list := append(make([]byte, 8), pages...)
	return r.Do([]byte{byte(scsi.OpModeSelect10), 0x10, 0, 0, 0, 0, 0, byte(len(list) >> 8), byte(len(list)), 0}, list)
}
