package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/scsitest"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), &out))
	require.Regexp(t, `^count 41 at \d{4}-\d\d-\d\dT.*
count 42 at \d{4}-.*
an hour: context deadline exceeded
a moment: good
$`, out.String())
}

func TestCounter(t *testing.T) {
	r, err := scsitest.New(NewCounter(), nil)
	require.NoError(t, err)
	defer r.Close()
	got := r.Do([]byte{0xC0, 8: 8, 9: 0}, nil)
	require.Equal(t, scsi.StatusGood, got.Status)
	require.Equal(t, make([]byte, 8), got.Data)
	got = r.Do([]byte{0xC2, 8: 3, 9: 0}, []byte{1, 2, 3})
	require.Equal(t, scsi.StatusCheckCondition, got.Status)
	require.Equal(t, scsi.InvalidFieldInCDB, got.Sense.Sense)
	got = r.Do([]byte{0xC2, 8: 8, 9: 0}, []byte{7: 5})
	require.Equal(t, scsi.StatusGood, got.Status)
	require.Equal(t, []byte{7: 5}, r.Do([]byte{0xC0, 8: 8, 9: 0}, nil).Data)
	require.Equal(t, scsi.StatusGood, r.Do([]byte{0xC1, 9: 0}, nil).Status)
	require.Equal(t, scsi.InvalidOpcode, r.Do([]byte{0xC3, 9: 0}, nil).Sense.Sense)
}
