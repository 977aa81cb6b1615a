package scsitest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/spc"
)

// TestHandler checks what every logical unit owes its initiators, whatever its type: that
// what it lists is what it does, that parameter data may be cut anywhere, and that INQUIRY,
// vital product data, sense data and mode pages agree with each other. fresh makes a
// handler for one part of the test each; the Recorder closes it. Commands that the handler
// lists are executed, so that it must not hold data that matters.
func TestHandler(t *testing.T, fresh func(t *testing.T) scsi.Handler) {
	for _, part := range []struct {
		name string
		run  func(t *testing.T, r *Recorder)
	}{
		{"Opcodes", testOpcodes},
		{"Inquiry", testInquiry},
		{"VPD", testVPD},
		{"Sense", testSense},
		{"ModeSense", testModeSense},
		{"ModeSelect", testModeSelect},
		{"Truncation", testTruncation},
	} {
		t.Run(part.name, func(t *testing.T) {
			r, err := New(fresh(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			part.run(t, r)
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// testOpcodes executes every command of the table: those that are listed are known, all
// others are refused.
func testOpcodes(t *testing.T, r *Recorder) {
	lister, ok := r.Handler.(scsi.OpcodeLister)
	if !ok {
		t.Log("the handler lists no operation codes")
		return
	}
	listed := lister.Opcodes()
	for i, o := range listed {
		if slices.Contains(listed[:i], o) {
			t.Errorf("%s is listed twice", o.Name)
		}
	}
	for row := range scsi.Ops(r.Description.Type) {
		res := r.Do(scsi.AppendCDB(nil, row, 0, 0), nil)
		known := slices.Contains(listed, row)
		switch {
		case known && (res.Code() == scsi.InvalidOpcode || unknownAction(row, res)):
			t.Errorf("%s is listed and refused: %v", row.Name, res.Err)
		case !known && row.Flags&scsi.FlagEngine == 0 && res.Code() != scsi.InvalidOpcode && res.Code() != scsi.InvalidFieldInCDB:
			t.Errorf("%s is not listed and ends with %v, %v", row.Name, res.Status, res.Err)
		}
	}
	for op := range 256 {
		if slices.ContainsFunc(listed, func(o *scsi.OpInfo) bool { return int(o.Op) == op }) {
			continue
		}
		cdb := make([]byte, 16)
		cdb[0] = byte(op)
		if res := r.Do(cdb, nil); res.Code() != scsi.InvalidOpcode && res.Code() != scsi.InvalidFieldInCDB {
			t.Errorf("operation code %02xh is not listed and ends with %v, %v", op, res.Status, res.Err)
		}
	}
}

// unknownAction reports whether a command was refused because of its service action.
func unknownAction(row *scsi.OpInfo, res Result) bool {
	return row.HasAction && res.Code() == scsi.InvalidFieldInCDB && res.Sense.Field != nil &&
		!res.Sense.Field.Data && (res.Sense.Field.Byte == 1 || res.Sense.Field.Byte == 8)
}

func testInquiry(t *testing.T, r *Recorder) {
	res := r.Do(inquiry(false, 0, 255), nil)
	q, err := spc.ParseStandardInquiry(res.Data)
	if res.Status != scsi.StatusGood || err != nil {
		t.Fatalf("INQUIRY ends with %v, %v, %v", res.Status, res.Err, err)
	}
	switch {
	case len(res.Data) < 36:
		t.Errorf("%d bytes of standard INQUIRY data, at least 36 are needed", len(res.Data))
	case int(res.Data[4]) != len(res.Data)-5:
		t.Errorf("ADDITIONAL LENGTH is %d with %d bytes of data", res.Data[4], len(res.Data))
	case res.Data[3]&0xF != 2:
		t.Errorf("RESPONSE DATA FORMAT is %d", res.Data[3]&0xF)
	case q.Qualifier != spc.Connected || q.Type != r.Description.Type:
		t.Errorf("peripheral %02xh of a device of type %v", res.Data[0], r.Description.Type)
	case q.Removable != r.Description.Removable:
		t.Errorf("RMB is %v, the description says %v", q.Removable, r.Description.Removable)
	case !q.CmdQue:
		t.Error("CMDQUE is zero")
	}
	for i, c := range res.Data[8:36] {
		if c < 0x20 || c > 0x7E {
			t.Errorf("byte %d of the identification is %02xh", i+8, c)
		}
	}
	for _, cdb := range [][]byte{inquiry(false, 0x80, 255), {0x12, 2, 0, 0, 255, 0}} {
		if res := r.Do(cdb, nil); res.Code() != scsi.InvalidFieldInCDB {
			t.Errorf("INQUIRY % x ends with %v, %v", cdb, res.Status, res.Err)
		}
	}
}

func testVPD(t *testing.T, r *Recorder) {
	res := r.Do(inquiry(true, 0, 255), nil)
	page, err := spc.ParseVPD(res.Data)
	if res.Status != scsi.StatusGood || err != nil {
		t.Fatalf("page 00h ends with %v, %v, %v", res.Status, res.Err, err)
	}
	codes := page.Body
	if !slices.IsSorted(codes) || len(codes) == 0 || codes[0] != 0 || !bytes.Equal(codes, slices.Compact(slices.Clone(codes))) {
		t.Errorf("supported pages % x are not in order, or lack 00h", codes)
	}
	if !slices.Contains(codes, spc.VPDIdentification) {
		t.Errorf("supported pages % x lack 83h", codes)
	}
	for code := range 256 {
		res := r.Do(inquiry(true, uint8(code), 0xFFFF), nil)
		if !slices.Contains(codes, uint8(code)) {
			if res.Code() != scsi.InvalidFieldInCDB {
				t.Errorf("page %02xh is not listed and ends with %v, %v", code, res.Status, res.Err)
			}
			continue
		}
		page, err := spc.ParseVPD(res.Data)
		if err != nil || int(page.Page) != code || page.Type != r.Description.Type || len(page.Body) != len(res.Data)-4 {
			t.Errorf("page %02xh: % x: %v, %v", code, res.Data, res.Err, err)
		}
		if uint8(code) == spc.VPDIdentification && err == nil {
			checkDesignators(t, r, page.Body)
		}
	}
}

// checkDesignators wants a name for the unit, and the port that the command came in by.
func checkDesignators(t *testing.T, r *Recorder, body []byte) {
	list, err := spc.ParseDesignators(body)
	if err != nil {
		t.Errorf("page 83h: %v", err)
	}
	var named, port bool
	for _, d := range list {
		switch d.Type {
		case spc.DesignatorT10, spc.DesignatorEUI64, spc.DesignatorNAA, spc.DesignatorName, spc.DesignatorUUID:
			named = named || d.Association == spc.OfUnit
		case spc.DesignatorRelativePort:
			n, ok := d.Number()
			port = ok && n == r.Nexus.Port.RelativeID && d.Association == spc.OfPort
		}
	}
	if !named || !port {
		t.Errorf("page 83h names the unit: %v, the port: %v", named, port)
	}
}

func testSense(t *testing.T, r *Recorder) {
	for desc := range byte(2) {
		res := r.Do([]byte{0x03, desc, 0, 0, 252, 0}, nil)
		e, err := scsi.ParseSense(res.Data)
		if res.Status != scsi.StatusGood || err != nil {
			t.Errorf("REQUEST SENSE with DESC=%d ends with %v, %v, %v", desc, res.Status, res.Err, err)
			continue
		}
		if isDesc := res.Data[0]&0x7F >= 0x72; isDesc != (desc == 1) {
			t.Errorf("REQUEST SENSE with DESC=%d answers response code %02xh", desc, res.Data[0])
		}
		ready := r.Do([]byte{0, 0, 0, 0, 0, 0}, nil)
		if ready.Code() != e.Sense {
			t.Errorf("REQUEST SENSE says %v, TEST UNIT READY %v", e.Sense, ready.Err)
		}
	}
}

// testTruncation cuts parameter data at each byte: commands end well, and lengths within
// the data stay as they are (SPC-4 4.2.5.6).
func testTruncation(t *testing.T, r *Recorder) {
	cdbs := [][]byte{
		inquiry(false, 0, 0),
		{0x03, 0, 0, 0, 0, 0},
		{0x03, 1, 0, 0, 0, 0},
	}
	for _, code := range r.Do(inquiry(true, 0, 255), nil).Data[4:] {
		cdbs = append(cdbs, inquiry(true, code, 0))
	}
	if lists(r, scsi.OpModeSense10) {
		cdbs = append(cdbs, modeSense(scsi.OpModeSense6, 0x3F, 0xFF, 0), modeSense(scsi.OpModeSense10, 0x3F, 0xFF, 0))
	}
	for _, cdb := range cdbs {
		var c scsi.Command
		c.SetCDB(cdb)
		if err := c.Decode(r.Description.Type); err != nil {
			t.Errorf("% x: %v", cdb, err)
			continue
		}
		field := c.Op().Count
		most := uint64(1)<<(8*field.Size) - 1
		field.Put(cdb, most)
		full := r.Do(cdb, nil)
		if full.Status != scsi.StatusGood {
			t.Errorf("% x ends with %v, %v", cdb, full.Status, full.Err)
		}
		for n := range len(full.Data) + 1 {
			field.Put(cdb, uint64(n))
			if res := r.Do(cdb, nil); res.Status != scsi.StatusGood || !bytes.Equal(res.Data, full.Data[:n]) {
				t.Errorf("% x: %v, % x, want % x", cdb, res.Err, res.Data, full.Data[:n])
				break
			}
		}
	}
}

func lists(r *Recorder, op scsi.Opcode) bool {
	l, ok := r.Handler.(scsi.OpcodeLister)
	return ok && slices.ContainsFunc(l.Opcodes(), func(o *scsi.OpInfo) bool { return o.Op == op })
}

func inquiry(evpd bool, page uint8, n uint16) []byte {
	cdb := []byte{0x12, 0, page, 0, 0, 0}
	if evpd {
		cdb[1] = 1
	}
	binary.BigEndian.PutUint16(cdb[3:], n)
	return cdb
}

func modeSense(op scsi.Opcode, page, subpage uint8, n uint16) []byte {
	if op == scsi.OpModeSense6 {
		return []byte{byte(op), 0, page, subpage, byte(n), 0}
	}
	return []byte{byte(op), 0, page, subpage, 0, 0, 0, byte(n >> 8), byte(n), 0}
}

// name is a mode page as people call it.
func name(p spc.ModePage) string { return fmt.Sprintf("mode page %02xh/%02xh", p.Page, p.Subpage) }
