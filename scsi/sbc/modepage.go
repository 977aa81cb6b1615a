package sbc

import "encoding/binary"

// CachingPage is the caching mode page, 08h (SBC-4).
type CachingPage struct {
	IC, ABPF, CAP, Disc, Size bool
	WCE                       bool // write cache enabled
	MF                        bool
	RCD                       bool // read cache disabled

	ReadRetention, WriteRetention uint8 // retention priorities
	DisablePrefetch               uint16
	MinPrefetch, MaxPrefetch      uint16
	PrefetchCeiling               uint16

	FSW, LBCSS, DRA bool
	SyncProg        uint8 // SYNC_PROG: progress indication of SYNCHRONIZE CACHE
	NVDis           bool  // non-volatile cache disabled
	Segments        uint8
	SegmentSize     uint16
}

// Codes and lengths of mode pages.
const (
	pageRecovery    = 0x01
	pageCaching     = 0x08
	recoveryPageLen = 12
	cachingPageLen  = 20
)

// AppendCachingPage appends the page with its header, PS zero.
func AppendCachingPage(dst []byte, p *CachingPage) []byte {
	dst = append(dst, pageCaching, cachingPageLen-2,
		bit(p.IC, 7)|bit(p.ABPF, 6)|bit(p.CAP, 5)|bit(p.Disc, 4)|bit(p.Size, 3)|bit(p.WCE, 2)|bit(p.MF, 1)|bit(p.RCD, 0),
		p.ReadRetention<<4|p.WriteRetention&0xF)
	for _, v := range [...]uint16{p.DisablePrefetch, p.MinPrefetch, p.MaxPrefetch, p.PrefetchCeiling} {
		dst = binary.BigEndian.AppendUint16(dst, v)
	}
	dst = append(dst, bit(p.FSW, 7)|bit(p.LBCSS, 6)|bit(p.DRA, 5)|p.SyncProg&3<<1|bit(p.NVDis, 0), p.Segments)
	return zeros(binary.BigEndian.AppendUint16(dst, p.SegmentSize), 4)
}

// ParseCachingPage decodes the page with its header.
func ParseCachingPage(b []byte) (CachingPage, error) {
	if err := checkPage(b, pageCaching, cachingPageLen); err != nil {
		return CachingPage{}, err
	}
	u16 := func(at int) uint16 { return binary.BigEndian.Uint16(b[at:]) }
	return CachingPage{
		IC: has(b[2], 7), ABPF: has(b[2], 6), CAP: has(b[2], 5), Disc: has(b[2], 4), Size: has(b[2], 3),
		WCE: has(b[2], 2), MF: has(b[2], 1), RCD: has(b[2], 0),
		ReadRetention: b[3] >> 4, WriteRetention: b[3] & 0xF,
		DisablePrefetch: u16(4), MinPrefetch: u16(6), MaxPrefetch: u16(8), PrefetchCeiling: u16(10),
		FSW: has(b[12], 7), LBCSS: has(b[12], 6), DRA: has(b[12], 5), SyncProg: b[12] >> 1 & 3, NVDis: has(b[12], 0),
		Segments: b[13], SegmentSize: u16(14),
	}, nil
}

// RecoveryPage is the read-write error recovery mode page, 01h (SBC-4).
type RecoveryPage struct {
	AWRE, ARRE        bool // automatic write and read reassignment
	TB, RC, EER, PER  bool
	DTE, DCR          bool
	ReadRetries       uint8
	LBPERE            bool  // provisioning thresholds are reported
	MWR               uint8 // misaligned write reporting
	WriteRetries      uint8
	RecoveryTimeLimit uint16 // milliseconds; 0: the default
}

// AppendRecoveryPage appends the page with its header, PS zero.
func AppendRecoveryPage(dst []byte, p *RecoveryPage) []byte {
	dst = append(dst, pageRecovery, recoveryPageLen-2,
		bit(p.AWRE, 7)|bit(p.ARRE, 6)|bit(p.TB, 5)|bit(p.RC, 4)|bit(p.EER, 3)|bit(p.PER, 2)|bit(p.DTE, 1)|bit(p.DCR, 0),
		p.ReadRetries, 0, 0, 0, bit(p.LBPERE, 7)|p.MWR&3<<5, p.WriteRetries, 0)
	return binary.BigEndian.AppendUint16(dst, p.RecoveryTimeLimit)
}

// ParseRecoveryPage decodes the page with its header.
func ParseRecoveryPage(b []byte) (RecoveryPage, error) {
	if err := checkPage(b, pageRecovery, recoveryPageLen); err != nil {
		return RecoveryPage{}, err
	}
	return RecoveryPage{
		AWRE: has(b[2], 7), ARRE: has(b[2], 6), TB: has(b[2], 5), RC: has(b[2], 4),
		EER: has(b[2], 3), PER: has(b[2], 2), DTE: has(b[2], 1), DCR: has(b[2], 0),
		ReadRetries: b[3], LBPERE: has(b[7], 7), MWR: b[7] >> 5 & 3, WriteRetries: b[8],
		RecoveryTimeLimit: binary.BigEndian.Uint16(b[10:]),
	}, nil
}

// checkPage checks the header of a page of n bytes.
func checkPage(b []byte, page uint8, n int) error {
	switch {
	case len(b) < n:
		return ErrShort
	case b[0]&0x7F != page || int(b[1]) != n-2:
		return ErrFormat
	}
	return nil
}
