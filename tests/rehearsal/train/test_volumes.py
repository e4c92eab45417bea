"""A disk of the node's own: unmounted on the notice, freed while the old node lives, mounted by the next one."""

from __future__ import annotations

from tests.rehearsal.train.conftest import OWN_DISK, TAG, Scene

SAVES = (
    "trap 'date >> /data/saved; exit 0' TERM; echo $STARCLUSTER_ATTEMPT >> /data/attempts; "
    "while test ! -e /home/holder.go; do sleep 0.1; done"
)


def test_the_disk_moves_with_the_name(scene: Scene) -> None:
    scene.starcluster("terminate", "-c", TAG)
    scene.starcluster("createvolume", "--name", "data", "1", "us-east-1a")
    text = scene.config.read_text()
    assert "\n#PLUGINS = " in text
    before, _, after = text.partition("\n#PLUGINS = ")
    scene.config.write_text(f"{before}\nPLUGINS = owndisk\n{after.partition(chr(10))[2]}{OWN_DISK}")
    scene.starcluster("start", TAG)
    scene.write(holder=SAVES)
    driver = scene.drive("holder")
    driver.says("attempt 1 runs")
    (first,) = scene.alive("holder")
    scene.interrupt("holder")
    driver.says("attempt 2 runs")
    (second,) = [one for one in scene.alive("holder") if one != first]
    (volume,) = scene.ec2().describe_volumes(Filters=[{"Name": "tag:Name", "Values": ["data"]}])["Volumes"]
    assert [one["InstanceId"] for one in volume["Attachments"]] == [second]
    on_disk = scene.starcluster("sshnode", TAG, "holder", "cat /data/attempts; wc -l < /data/saved").stdout
    assert on_disk.split() == ["1", "2", "1"]
    scene.on_master("touch /home/holder.go")
    driver.ends(0)
    events = [one["event"] for one in scene.journal("holder")]
    assert "unmounted" in events
    assert "set-up-failed" not in events, "the disk was not free in time"
