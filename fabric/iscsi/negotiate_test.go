package iscsi

import (
	"math"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestKeyTable(t *testing.T) {
	seen := map[string]bool{}
	for id := range keyTable {
		k := &keyTable[id]
		require.NotEmpty(t, k.name, id)
		require.False(t, seen[k.name], k.name)
		seen[k.name] = true
		require.True(t, validKey([]byte(k.name)), k.name)
		got, ok := lookupKey(k.name)
		require.True(t, ok)
		require.Equal(t, keyID(id), got)

		switch k.kind {
		case kindDeclared, kindMin, kindMax:
			require.NotNil(t, k.number, k.name)
			require.Less(t, k.lo, k.hi, k.name)
		case kindAnd, kindOr:
			require.NotNil(t, k.flag, k.name)
		}
		if k.leadingOnly {
			require.NotZero(t, k.phases&phaseLogin, k.name)
			require.Zero(t, k.phases&phaseFull, "%s cannot change later", k.name)
		}
	}
	_, ok := lookupKey("headerdigest")
	require.False(t, ok, "names are case-sensitive")
}

// TestDefaultsAreInBounds checks the defaults of the standard, and those of an offer, against
// the bounds of the table.
func TestDefaultsAreInBounds(t *testing.T) {
	def, want := defaultParams(), (&Offer{}).wanted()
	for id := range keyTable {
		if k := &keyTable[id]; k.number != nil {
			require.GreaterOrEqual(t, *k.number(&def), k.lo, k.name)
			require.LessOrEqual(t, *k.number(&def), k.hi, k.name)
			require.GreaterOrEqual(t, *k.number(&want), k.lo, k.name)
			require.LessOrEqual(t, *k.number(&want), k.hi, k.name)
		}
	}
	require.Equal(t, 262144, want.MaxRecvDataSegmentLength)
	require.Equal(t, 1<<20, want.MaxBurstLength)
	require.Equal(t, 256<<10, want.FirstBurstLength)
	require.Equal(t, 16, want.MaxOutstandingR2T)
	require.False(t, want.InitialR2T)
	require.True(t, want.ImmediateData)
}

func TestOfferClamps(t *testing.T) {
	low := (&Offer{
		MaxRecvDataSegmentLength: -1, MaxBurstLength: -1, FirstBurstLength: 1, MaxOutstandingR2T: -5,
		DefaultTime2Wait: -1, DefaultTime2Retain: math.MinInt32,
	}).wanted()
	require.Equal(t, []int{512, 512, 512, 1, 0, 0}, []int{
		low.MaxRecvDataSegmentLength, low.MaxBurstLength, low.FirstBurstLength, low.MaxOutstandingR2T,
		low.DefaultTime2Wait, low.DefaultTime2Retain,
	})
	high := (&Offer{
		MaxRecvDataSegmentLength: math.MaxInt32, MaxBurstLength: 4096, FirstBurstLength: math.MaxInt32,
		MaxOutstandingR2T: math.MaxInt32, DefaultTime2Wait: math.MaxInt32, DefaultTime2Retain: math.MaxInt32,
	}).wanted()
	require.Equal(t, []int{maxSegment, 4096, 4096, 65535, 3600, 3600}, []int{
		high.MaxRecvDataSegmentLength, high.MaxBurstLength, high.FirstBurstLength, high.MaxOutstandingR2T,
		high.DefaultTime2Wait, high.DefaultTime2Retain,
	})
}

// TestResultFunctions checks each kind of key against every combination of what both sides
// want.
func TestResultFunctions(t *testing.T) {
	for id := range keyTable {
		k := &keyTable[id]
		switch k.kind {
		case kindAnd, kindOr:
			for _, theirs := range []bool{false, true} {
				for _, ours := range []bool{false, true} {
					var p, w Params
					*k.flag(&w) = ours
					want := theirs && ours || k.kind == kindOr && (theirs || ours)
					require.Equal(t, boolValue(want), k.answer(&p, &w, boolValue(theirs)), k.name)
					require.Equal(t, want, *k.flag(&p), k.name)
				}
			}
		case kindMin, kindMax, kindDeclared:
			for _, theirs := range []int{k.lo, k.lo + 1, k.hi - 1, k.hi} {
				for _, ours := range []int{k.lo, k.lo + 1, k.hi} {
					var p, w Params
					*k.number(&w) = ours
					want := map[keyKind]int{
						kindMin: min(theirs, ours), kindMax: max(theirs, ours), kindDeclared: theirs,
					}[k.kind]
					answer := strconv.Itoa(want)
					if k.kind == kindDeclared {
						answer = ""
					}
					require.Equal(t, answer, k.answer(&p, &w, strconv.Itoa(theirs)), k.name)
					require.Equal(t, want, *k.number(&p), k.name)
				}
			}
			if k.lo > 0 {
				p := defaultParams()
				w := (&Offer{}).wanted()
				require.Equal(t, valueReject, k.answer(&p, &w, strconv.Itoa(k.lo-1)), k.name)
				require.Empty(t, cmp.Diff(defaultParams(), p), "a refused value changes nothing")
			}
		}
	}
}

func TestChoose(t *testing.T) {
	both := []string{digestCRC32C, valueNone}
	for _, tc := range []struct {
		list   string
		accept []string
		ranked bool
		want   string
	}{
		{"None", both, false, "None"},
		{"None,CRC32C", both, false, "None"},
		{"None,CRC32C", both, true, "CRC32C"},
		{"CRC32C,None", both, false, "CRC32C"},
		{"X,CRC32C", both, false, "CRC32C"},
		{"X,None,Y", both, true, "None"},
		{"X,Y", both, true, ""},
		{"X,Y", both, false, ""},
		{"", both, false, ""},
		{",", both, true, ""},
		{"none", both, false, ""},
		{"CRC32C", []string{"None"}, false, ""},
	} {
		require.Equal(t, tc.want, choose(tc.list, tc.accept, tc.ranked), "%+v", tc)
	}
}

func TestDigestPolicies(t *testing.T) {
	for _, tc := range []struct {
		policy DigestPolicy
		list   string
		want   string
	}{
		{DigestAllowed, "None,CRC32C", "None"},
		{DigestAllowed, "CRC32C,None", "CRC32C"},
		{DigestPreferred, "None,CRC32C", "CRC32C"},
		{DigestPreferred, "None", "None"},
		{DigestRequired, "None,CRC32C", "CRC32C"},
		{DigestRequired, "None", ""},
		{DigestOff, "CRC32C,None", "None"},
		{DigestOff, "CRC32C", ""},
		{DigestPolicy(9), "CRC32C,None", "CRC32C"},
	} {
		values, ranked := tc.policy.accepts()
		require.Equal(t, tc.want, choose(tc.list, values, ranked), "%v of %s", tc.policy, tc.list)
		require.NotEmpty(t, tc.policy.String())
	}
}

// TestParamsOfConnection checks which parameters are those of a session.
func TestParamsOfConnection(t *testing.T) {
	p := Params{
		HeaderDigest: true, DataDigest: true, MaxRecvDataSegmentLength: 1, MaxXmitDataSegmentLength: 2,
		MaxBurstLength: 3, FirstBurstLength: 4, MaxOutstandingR2T: 5, MaxConnections: 6, ErrorRecoveryLevel: 1,
	}
	want := p
	want.HeaderDigest, want.DataDigest = false, false
	want.MaxRecvDataSegmentLength, want.MaxXmitDataSegmentLength = 8192, 8192
	require.Empty(t, cmp.Diff(want, p.newConnection()))
}
