package meta

import (
	"encoding/binary"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/sbc"
)

// alone makes a command that is not about the blocks of a zone.
func (g *generator) alone() Op {
	switch g.rnd.IntN(14) {
	case 0:
		n := g.rnd.IntN(200)
		return Op{Name: "INQUIRY", CDB: []byte{byte(scsi.OpInquiry), 4: byte(n), 5: 0}, In: n}
	case 1:
		// The limits and provisioning pages tell of the store, which may differ.
		page := g.byteOf(0x00, 0x80, 0x83, 0x86, sbc.VPDCharacteristics, 0x99)
		return Op{Name: "INQUIRY", CDB: []byte{byte(scsi.OpInquiry), 1, page, 0, 255, 0}, In: 255}
	case 2:
		return Op{Name: "READ CAPACITY(10)", CDB: []byte{byte(scsi.OpReadCapacity10), 9: 0}, In: 8}
	case 3:
		return Op{Name: "READ CAPACITY(16)", CDB: []byte{byte(scsi.OpServiceActionIn16), byte(scsi.ActionReadCapacity16), 13: 32, 15: 0}, In: 32}
	case 4:
		return Op{Name: "MODE SENSE(6)", CDB: []byte{byte(scsi.OpModeSense6), g.byteOf(0, 8), g.modePage(), 0, 255, 0}, In: 255}
	case 5:
		return Op{Name: "MODE SENSE(10)", CDB: []byte{byte(scsi.OpModeSense10), g.byteOf(0, 8, 0x10), g.modePage(), 7: 1, 9: 0}, In: 256}
	case 6:
		return Op{Name: "toggle WCE", toggle: &toggle{page: 0x08, at: 2, mask: 0x04}}
	case 7:
		return Op{Name: "toggle D_SENSE", toggle: &toggle{page: 0x0A, at: 2, mask: 0x04}}
	case 8:
		return Op{Name: "REQUEST SENSE", CDB: []byte{byte(scsi.OpRequestSense), g.byteOf(0, 1), 0, 0, 252, 0}, In: 252}
	case 9:
		return Op{Name: "TEST UNIT READY", CDB: make([]byte, 6)}
	case 10:
		return Op{Name: "REPORT LUNS", CDB: []byte{byte(scsi.OpReportLUNs), 2: g.byteOf(0, 1, 2, 3), 8: 1, 11: 0}, In: 256}
	case 11:
		return Op{Name: "REPORT SUPPORTED OPERATION CODES", CDB: []byte{byte(scsi.OpMaintenanceIn), byte(scsi.ActionReportOpcodes),
			g.byteOf(0, 0x80), 8: 0x20, 11: 0}, In: 0x2000}
	case 12:
		cdb := make([]byte, 10)
		for i := range cdb {
			cdb[i] = byte(g.rnd.Uint32())
		}
		cdb[0] = g.byteOf(0x01, 0x02, 0x0B, 0xC0, 0xD1, 0xFE) // nothing that a disk knows
		return Op{Name: "unknown", CDB: cdb, In: 64}
	default:
		return g.malformed()
	}
}

// modePage is a page control and page code, with 3Fh for all of them.
func (g *generator) modePage() byte {
	return byte(g.rnd.IntN(4))<<6 | g.byteOf(0x01, 0x08, 0x0A, 0x1C, 0x3F, 0x33)
}

// malformed makes a command that is refused for a field in it.
func (g *generator) malformed() Op {
	switch g.rnd.IntN(4) {
	case 0:
		return Op{Name: "INQUIRY without EVPD", CDB: []byte{byte(scsi.OpInquiry), 0, 0x80, 0, 64, 0}, In: 64}
	case 1:
		return Op{Name: "VERIFY with BYTCHK 2", CDB: []byte{byte(scsi.OpVerify10), 4, 8: 1, 9: 0}}
	case 2:
		o := Op{Name: "UNMAP with a list too short", CDB: []byte{byte(scsi.OpUnmap), 9: 0}, Out: g.noise(g.rnd.IntN(8))}
		binary.BigEndian.PutUint16(o.CDB[7:], uint16(len(o.Out)))
		return o
	default:
		o := Op{Name: "MODE SELECT of noise", CDB: []byte{byte(scsi.OpModeSelect6), 0x10, 0, 0, 24, 0}, Out: g.noise(24)}
		return o
	}
}

func (g *generator) byteOf(list ...byte) byte { return list[g.rnd.IntN(len(list))] }
