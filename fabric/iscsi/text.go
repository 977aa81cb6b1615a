package iscsi

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
)

// Bounds of text from an initiator.
const (
	// maxTextLen bounds, in bytes, the text that an initiator may spread over PDUs.
	maxTextLen = 64 << 10
	// maxTextKeys bounds the number of key=value pairs in one such text.
	maxTextKeys = 256
	// maxKeyLen is the longest key in bytes (RFC 7143 6.1).
	maxKeyLen = 63
)

// Values with a meaning of their own (RFC 7143 6.2).
const (
	valueNone          = "None"
	valueReject        = "Reject"
	valueIrrelevant    = "Irrelevant"
	valueNotUnderstood = "NotUnderstood"
	valueYes           = "Yes"
	valueNo            = "No"
)

var (
	errTextTooLong  = errors.New("iscsi: text is longer than 64 KiB")
	errTextManyKeys = errors.New("iscsi: text has more than 256 keys")
	errTextFormat   = errors.New("iscsi: text is not made of key=value pairs")
	errBinaryFormat = errors.New("iscsi: binary value is neither hexadecimal nor base64")
	errBinaryLength = errors.New("iscsi: binary value is too long")
)

// pair is one key=value.
type pair struct{ key, value string }

// parsePairs appends the pairs of a text to dst (RFC 7143 6.1). A zero byte ends each; the
// last may lack it, and empty ones are skipped, for some boot firmware counts its padding as
// text.
func parsePairs(dst []pair, text []byte) ([]pair, error) {
	for len(text) > 0 {
		var p []byte
		p, text, _ = bytes.Cut(text, []byte{0})
		if len(p) == 0 {
			continue
		}
		key, value, ok := bytes.Cut(p, []byte{'='})
		if !ok || !validKey(key) {
			return dst, errTextFormat
		}
		if len(dst) == maxTextKeys {
			return dst, errTextManyKeys
		}
		dst = append(dst, pair{string(key), string(value)})
	}
	return dst, nil
}

// validKey reports whether key is a key-name: letters, digits and ".-+@_#". That it begins
// with a capital letter is not insisted on.
func validKey(key []byte) bool {
	for _, c := range key {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case strings.IndexByte(".-+@_#", c) >= 0:
		default:
			return false
		}
	}
	return len(key) > 0 && len(key) <= maxKeyLen
}

// appendPair appends key=value and the zero byte.
func appendPair(dst []byte, key, value string) []byte {
	dst = append(dst, key...)
	dst = append(dst, '=')
	dst = append(dst, value...)
	return append(dst, 0)
}

// parseNumber reads a numerical-value: decimal without leading zeros, or hexadecimal after 0x.
func parseNumber(s string) (uint64, bool) {
	base := 10
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
		s, base = s[2:], 16
	} else if len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	if s == "" || s[0] == '+' || s[0] == '-' {
		return 0, false
	}
	v, err := strconv.ParseUint(s, base, 64)
	return v, err == nil
}

// parseRange reads a numerical-range, min~max.
func parseRange(s string) (lo, hi uint64, ok bool) {
	a, b, ok := strings.Cut(s, "~")
	if !ok {
		return 0, 0, false
	}
	lo, okLo := parseNumber(a)
	hi, okHi := parseNumber(b)
	if !okLo || !okHi || lo > hi {
		return 0, 0, false
	}
	return lo, hi, true
}

// parseBool reads a boolean-value.
func parseBool(s string) (value, ok bool) { return s == valueYes, s == valueYes || s == valueNo }

func boolValue(v bool) string {
	if v {
		return valueYes
	}
	return valueNo
}

// appendBinary appends what a large-binary-value stands for: hexadecimal digits after 0x or
// base64 after 0b. More than limit bytes are an error, found before anything is decoded. An
// odd number of hexadecimal digits is read as if a zero stood before them.
func appendBinary(dst []byte, s string, limit int) ([]byte, error) {
	if len(s) <= 2 || s[0] != '0' {
		return dst, errBinaryFormat
	}
	digits := s[2:]
	switch s[1] {
	case 'x', 'X':
		if (len(digits)+1)/2 > limit {
			return dst, errBinaryLength
		}
		if len(digits)%2 != 0 {
			digits = "0" + digits
		}
		out, err := hex.AppendDecode(dst, []byte(digits))
		if err != nil {
			return dst, errBinaryFormat
		}
		return out, nil
	case 'b', 'B':
		if strings.ContainsAny(digits, "\r\n") { // which the decoder would skip
			return dst, errBinaryFormat
		}
		digits = strings.TrimRight(digits, "=")
		if base64.RawStdEncoding.DecodedLen(len(digits)) > limit {
			return dst, errBinaryLength
		}
		out, err := base64.RawStdEncoding.AppendDecode(dst, []byte(digits))
		if err != nil {
			return dst, errBinaryFormat
		}
		return out, nil
	}
	return dst, errBinaryFormat
}

// textInput gathers a text that comes in one PDU or several.
type textInput struct {
	held []byte
	open bool // a part with more to come has been added
}

// add takes the data of the next PDU; more is its C bit. When the text is complete it is
// returned, and is valid until data changes or add is called again.
func (t *textInput) add(data []byte, more bool) (text []byte, complete bool, err error) {
	if len(t.held)+len(data) > maxTextLen {
		return nil, false, errTextTooLong
	}
	if !more && !t.open {
		return data, true, nil
	}
	t.held = append(t.held, data...)
	t.open = more
	if more {
		return nil, false, nil
	}
	text, t.held = t.held, nil
	return text, true, nil
}

// reset drops what has been gathered.
func (t *textInput) reset() { *t = textInput{} }

// cutText splits text into what fits a data segment of limit bytes and the rest. It cuts
// between two pairs where it can: initiators exist that look at each PDU by itself.
func cutText(text []byte, limit int) (now, rest []byte) {
	if len(text) <= limit {
		return text, nil
	}
	n := bytes.LastIndexByte(text[:limit], 0) + 1
	if n == 0 {
		n = limit
	}
	return text[:n:n], text[n:]
}
