package engine

import (
	"slices"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/spc"
)

// local executes what is the engine's to know: LUN maps, unit attentions, and the
// lists of operation codes and task management functions. It reports false if the
// handler has to do it.
func (t *task) local() (err error, done bool) {
	d := t.n.d
	switch op := t.Op(); op.Op {
	case scsi.OpReportLUNs:
		return t.reportLUNs(), true
	case scsi.OpRequestSense:
		return t.requestSense()
	case scsi.OpReserve6, scsi.OpReserve10, scsi.OpRelease6, scsi.OpRelease10, scsi.OpPersistentReserveIn, scsi.OpPersistentReserve:
		return scsi.InvalidOpcode, d.desc.Own&scsi.OwnReservations == 0
	case scsi.OpMaintenanceIn:
		if d.desc.Own&scsi.OwnReportOpcodes != 0 {
			return nil, false
		}
		switch op.Action {
		case scsi.ActionReportOpcodes:
			return t.reportOpcodes(), true
		case scsi.ActionReportFunctions:
			return t.reportFunctions(), true
		}
		return badAction(t.CDB()[0]), true
	}
	return scsi.InvalidOpcode, true
}

// reportLUNs is REPORT LUNS (SPC-4 6.33): the session's map, whichever logical unit is
// asked. It makes the initiator aware of changes, so that the unit attention for them
// is not needed any more.
func (t *task) reportLUNs() error {
	cdb := t.CDB()
	if t.Count() < 16 {
		return scsi.BadCDB(6, -1)
	}
	if cdb[2] > spc.SelectAll {
		return scsi.BadCDB(2, 7)
	}
	// The initiator has heard of changes before the map is read, not of those after.
	if t.s.pendingLUNs.CompareAndSwap(true, false) {
		t.ua = scsi.ReportedLUNsChanged
	}
	var luns []scsi.LUN
	switch cdb[2] {
	case spc.SelectAddressed, spc.SelectAll:
		t.s.luns.Load().each(func(n uint16, _ *nexus) { luns = append(luns, scsi.MakeLUN(n, t.s.t.method)) })
	case spc.SelectWellKnown: // there are none
	}
	return t.Reply(spc.AppendLUNs(nil, luns))
}

// requestSense is REQUEST SENSE while a unit attention is pending: that is the answer,
// and it is told then (SPC-4 6.39). Else the handler answers with its own state.
func (t *task) requestSense() (err error, done bool) {
	if t.CDB()[1]&^1 != 0 || t.st.Data == nil {
		return nil, false
	}
	ua := t.n.nextUA()
	if ua == 0 {
		return nil, false
	}
	t.ua = ua
	e := scsi.SenseError{Sense: ua}
	return t.Reply(scsi.AppendSense(nil, &e, t.CDB()[1]&1 != 0)), true
}

// reportOpcodes is REPORT SUPPORTED OPERATION CODES (SPC-4 6.35): what the handler's
// table and this file execute.
func (t *task) reportOpcodes() error {
	if t.n.d.opcodes == nil {
		return scsi.InvalidOpcode
	}
	r, err := spc.ParseOpcodesRequest(t.CDB())
	if err != nil {
		return err
	}
	b, err := spc.AppendSupportedOpcodes(nil, r, t.n.d.opcodes)
	if err != nil {
		return err
	}
	return t.Reply(b)
}

// reportFunctions is REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-4 6.36).
func (t *task) reportFunctions() error {
	if t.Count() < 4 {
		return scsi.BadCDB(6, -1)
	}
	return t.Reply(spc.AppendFunctions(nil, spc.FunctionSet(functions...), t.CDB()[2]&0x80 != 0))
}

// listOpcodes is the handler's list with the engine's own commands, in order.
func (d *Device) listOpcodes(l scsi.OpcodeLister) []*scsi.OpInfo {
	list := slices.Clone(l.Opcodes())
	own := []scsi.Opcode{scsi.OpReportLUNs}
	if d.desc.Own&scsi.OwnReportOpcodes == 0 {
		own = append(own, scsi.OpMaintenanceIn)
	}
	for o := range scsi.Ops(d.desc.Type) {
		if !slices.Contains(own, o.Op) || slices.Contains(list, o) {
			continue
		}
		if o.Op == scsi.OpMaintenanceIn && o.Action != scsi.ActionReportOpcodes && o.Action != scsi.ActionReportFunctions {
			continue
		}
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b *scsi.OpInfo) int {
		if a.Op != b.Op {
			return int(a.Op) - int(b.Op)
		}
		return int(a.Action) - int(b.Action)
	})
	return list
}

// orphan answers a command for a logical unit that does not exist (SPC-4 4.2.1 and
// 6.6.1): the commands that initiators probe with get data that say so.
func (t *task) orphan() {
	t.n = nil
	t.in, t.out = 0, 0
	if err := t.Decode(scsi.TypeNone); err != nil {
		t.orphanDone(err)
		return
	}
	switch t.Op().Op {
	case scsi.OpReportLUNs:
		t.orphanData(func() error { return t.reportLUNs() })
	case scsi.OpInquiry:
		t.orphanData(t.orphanInquiry)
	case scsi.OpRequestSense:
		t.orphanData(func() error {
			e := scsi.SenseError{Sense: scsi.LogicalUnitNotSupported}
			return t.Reply(scsi.AppendSense(nil, &e, t.CDB()[1]&1 != 0))
		})
	default:
		t.orphanDone(scsi.LogicalUnitNotSupported)
	}
}

// orphanInquiry is INQUIRY with PERIPHERAL QUALIFIER 011b.
func (t *task) orphanInquiry() error {
	if t.CDB()[1]&1 != 0 || t.CDB()[2] != 0 {
		return scsi.LogicalUnitNotSupported
	}
	return t.Reply(spc.AppendStandardInquiry(nil, &spc.StandardInquiry{
		Qualifier: spc.NotCapable, Type: scsi.TypeNone, Vendor: "GOSCST", Product: "", Revision: "",
	}))
}

// orphanData gets a buffer for the answer first.
func (t *task) orphanData(f func() error) {
	n := min(int64(t.Count()), maxParameters)
	if n > 0 {
		b, err := t.s.memory(t.s.t.e.pool, int(n))
		if err != nil {
			t.orphanDone(scsi.ErrBusy)
			return
		}
		t.st.Data = b
	}
	t.orphanDone(f())
}

func (t *task) orphanDone(err error) {
	t.st.Silent = t.s.closing.Load() // nobody listens any more
	t.answer(err)
}
