package spc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/script"
	"github.com/goscst/goscst/scsi"
)

// The fixtures of the package's tests: parameter data as a disk behind iSCSI has them.
var (
	diskInquiry = StandardInquiry{
		Type: scsi.TypeDisk, TPGS: 1, ThirdPartyCopy: true, NormACA: true, HiSup: true, MultiP: true, CmdQue: true,
		Vendor: "GOSCST", Product: "memory", Revision: "0001", VendorSpecific: []byte("0123456789abcdef"),
		Descriptors: []uint16{ClaimSAM5, ClaimISCSI, ClaimSPC4, ClaimSBC3},
	}
	diskExtended = ExtendedInquiry{
		HeadSup: true, OrdSup: true, SimpSup: true, VSup: true, LUICLR: true, GroupSup: true, PriorSup: true,
		SelfTestMinutes: 0x0102, MaxSense: 252, ActivateMicrocode: 1, SPT: 5,
	}
	naa5, _        = NAA([]byte{0x50, 0x01, 0x40, 0x52, 0x34, 0x56, 0x78, 0x9A})
	naa6, _        = NAA([]byte{0x60, 0x01, 0x40, 0x52, 0x34, 0x56, 0x78, 0x9A, 1, 2, 3, 4, 5, 6, 7, 8})
	eui8, _        = EUI64([]byte{0, 1, 2, 3, 4, 5, 6, 7})
	eui12, _       = EUI64([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
	eui16, _       = EUI64([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	allDesignators = []Designator{
		T10ID("GOSCST", "disk0"),
		naa5, naa6, LocalNAA(0xF123456789ABCDEF), eui8, eui12, eui16,
		NameString(OfUnit, "naa.50014052345678"),
		RelativePort(scsi.ProtocolISCSI, 0x0102),
		InPortGroup(scsi.ProtocolISCSI, 0x0304),
		NameString(OfPort, "iqn.2026-11.com.example:a,t,0x0001").WithProtocol(scsi.ProtocolISCSI),
		NameString(OfTarget, "iqn.2026-11.com.example:a").WithProtocol(scsi.ProtocolISCSI),
		InUnitGroup(7),
		MD5ID([16]byte{15: 0xFF}),
		VendorID([]byte{1, 2, 3}),
		UUID([16]byte{0x12, 0x34, 0x56, 0x78, 15: 0x9A}),
		ProtocolPort(scsi.ProtocolSRP, []byte{0, 1, 0, 0}),
	}
	somePolicies = []ModePolicy{{Page: 0x08, Sharing: PerNexus}, {Page: 0x0A, Subpage: 1, MultipleUnits: true, Sharing: PerPort}, PolicyForAll(SharedByAll)}
	somePorts    = []SCSIPort{
		{RelativeID: 1, Designators: allDesignators[8:11]},
		{RelativeID: 0x0203, TransportID: make([]byte, 24)},
	}
	controlPage = ControlPage{
		TST: 1, DSense: true, GLTSD: true, QueueAlg: 1, QErr: 3, UAInterlock: 2, SWP: true, TAS: true, AutoloadMode: 5,
		BusyTimeout: 0xFFFF, SelfTestSeconds: 0x024B,
	}
	exceptionsPage = ExceptionsPage{DExcpt: true, Test: true, MRIE: 6, Interval: 0x01020304, Count: 5}
	someGroups     = []PortGroup{
		{ID: 1, State: ActiveOptimized, Preferred: true, Supports: SupportsOptimized | SupportsStandby | SupportsTransitioning,
			Status: StatusImplicit, Ports: []uint16{1, 2}},
		{ID: 0x0203, State: Transitioning, Supports: SupportsOffline, Vendor: 9},
	}
	someParameters = []LogParameter{
		{Code: 0, Format: LogBoundedCounter, ETC: true, TMC: 2, Value: []byte{1, 2, 3, 4}},
		{Code: 0x8001, DU: true, TSD: true, Format: LogBinaryList},
		{Code: 2, Format: LogASCIIList, Value: []byte("text")},
	}
)

// fixtures builds each of the golden outputs.
var fixtures = map[string]func() []byte{
	"inquiry": func() []byte { return AppendStandardInquiry(nil, &diskInquiry) },
	"inquiry-none": func() []byte {
		return AppendStandardInquiry(nil, &StandardInquiry{Qualifier: NotCapable, Type: scsi.TypeNone})
	},
	"inquiry-all": func() []byte {
		return AppendStandardInquiry(nil, &StandardInquiry{
			Qualifier: NotConnected, Type: scsi.TypeEnclosure, Removable: true, LUCong: true, Version: VersionSPC5, NormACA: true,
			HiSup: true, SCCS: true, TPGS: 3, ThirdPartyCopy: true, Protect: true, EncServ: true, VS: true, MultiP: true, CmdQue: true,
			VS2: true, Vendor: "vendor too long", Product: "tab\tand \u00e9", Revision: "1", Descriptors: []uint16{1, 2, 3, 4, 5, 6, 7, 8, 9},
			Extra: []byte{1, 2, 3},
		})
	},
	"vpd-00": func() []byte {
		return AppendVPD(nil, 0, VPDSupported, AppendSupportedPages(nil, []uint8{0xB2, 0x83, 0x80, 0x83, 0xB0}))
	},
	"vpd-80": func() []byte { return AppendVPD(nil, 0x61, VPDSerial, []byte("0123abc")) },
	"vpd-83": func() []byte { return AppendVPD(nil, 0, VPDIdentification, AppendDesignators(nil, allDesignators)) },
	"vpd-86": func() []byte {
		return AppendVPD(nil, 0, VPDExtendedInquiry, AppendExtendedInquiry(nil, &diskExtended))
	},
	"vpd-87": func() []byte { return AppendVPD(nil, 0, VPDModePolicy, AppendModePolicies(nil, somePolicies)) },
	"vpd-88": func() []byte { return AppendVPD(nil, 0, VPDPorts, AppendPorts(nil, somePorts)) },
	"control": func() []byte {
		return AppendControlPage(nil, &controlPage)
	},
	"exceptions": func() []byte { return AppendExceptionsPage(nil, &exceptionsPage) },
	"mode-6":     func() []byte { return modeList(false) },
	"mode-10":    func() []byte { return modeList(true) },
	"luns": func() []byte {
		return AppendLUNs(nil, []scsi.LUN{0, scsi.MakeLUN(1, scsi.LUNPeripheral), scsi.MakeLUN(300, scsi.LUNPeripheral)})
	},
	"functions":          func() []byte { return AppendFunctions(nil, someFunctions, false) },
	"functions-extended": func() []byte { return AppendFunctions(nil, someFunctions, true) },
	"port-groups":        func() []byte { return AppendPortGroups(nil, someGroups, false, 0) },
	"port-groups-long":   func() []byte { return AppendPortGroups(nil, someGroups, true, 60) },
	"set-port-groups": func() []byte {
		return AppendSetPortGroups(nil, []SetPortGroup{{ID: 1, State: Standby}, {ID: 0x0203, State: ActiveOptimized}})
	},
	"log": func() []byte {
		var params []byte
		for _, p := range someParameters {
			params = AppendLogParameter(params, p)
		}
		return AppendLogPage(nil, LogPage{Page: 0x0D, Subpage: 2, DS: true, Params: params})
	},
}

// modeList is what MODE SENSE answers.
func modeList(ten bool) []byte {
	h := ModeHeader{DeviceSpecific: ParameterWP | ParameterDPOFUA, LongLBA: ten, DescriptorLen: 8}
	if ten {
		h.DescriptorLen = 16
	}
	b := AppendModeHeader(nil, h, ten)
	b = AppendBlockDescriptor(b, BlockDescriptor{Blocks: 1 << 33, BlockSize: 512}, ten)
	b = AppendControlPage(b, &controlPage)
	b = AppendModePage(b, ModePage{Page: PageControl, Subpage: ExtControlSub, PS: true, Params: make([]byte, 28)})
	SetModeLength(b, ten)
	return b
}

// TestGolden compares the outputs with files, whose bytes have been read against SPC-4:
// initiators remember what a unit said of itself.
func TestGolden(t *testing.T) {
	script.RunDir(t, "testdata/golden", func(t *testing.T) script.Func {
		return func(c *script.Cmd) string {
			f := fixtures[c.Name]
			require.NotNil(t, f, "no fixture %q", c.Name)
			return dump(f())
		}
	})
}

// dump is b in lines of 16 bytes with their offsets.
func dump(b []byte) string {
	var s strings.Builder
	for at := 0; at < len(b); at += 16 {
		fmt.Fprintf(&s, "%04x  % x\n", at, b[at:min(at+16, len(b))])
	}
	return s.String()
}

var someFunctions = FunctionSet(scsi.AbortTask, scsi.AbortTaskSet, scsi.ClearACA, scsi.LogicalUnitReset, scsi.QueryTaskSet, scsi.NexusReset, scsi.ColdReset)
