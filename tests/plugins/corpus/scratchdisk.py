# A volume of its own for the master, made when there is none; and a master that goes for good when it is shut down.
import time

from starcluster import exception
from starcluster.clustersetup import ClusterSetup


class Scratchdisk(ClusterSetup):
    def __init__(self, size=1, name="scratch-of-old", device="/dev/sdq"):
        self.size = size
        self.name = name
        self.device = device

    def run(self, nodes, master, user, user_shell, volumes):
        ec2 = master.ec2
        zone = ec2.get_zone(master.placement)
        known = [z.name for z in ec2.get_zones()]
        assert zone.name in known and ec2.get_zone_or_none("nowhere") is None
        found = ec2.get_volumes(filters={"tag:Name": self.name})
        if found:
            vol = ec2.get_volume(found[0].id)
        else:
            vol = ec2.create_volume(self.size, zone.name)
            vol.add_tag("Name", self.name)
        while vol.update() == "creating":
            time.sleep(0.2)
        if not vol.attach_data.instance_id:
            vol.attach(master.id, self.device)
        while vol.update() != "in-use" or vol.attachment_state() != "attached":
            time.sleep(0.2)
        machine = ec2.get_instance(master.id)
        before = machine.get_attribute("instanceInitiatedShutdownBehavior")["instanceInitiatedShutdownBehavior"]
        machine.modify_attribute("instanceInitiatedShutdownBehavior", "terminate")
        after = machine.get_attribute("instanceInitiatedShutdownBehavior").values()
        machine.modify_attribute("instanceInitiatedShutdownBehavior", before)
        machine.add_tag("scratch", vol.id)
        machine.remove_tag("scratch")
        held, status, size = vol.attach_data, vol.status, vol.size
        vol.detach()
        ec2.wait_for_volume(vol, status="available", refresh_interval=1)
        vol.delete()
        f = master.ssh.remote_file("/var/tmp/scratchdisk")
        f.write("%s %s %s %s\n" % (status, size, held.device, held.instance_id == master.id))
        f.write(
            "%s %s %s %s\n" % (before, list(after)[0], vol.zone == zone.name, ec2.get_volume_or_none("vol-0") is None)
        )
        machine = master.instance
        mine = [g.id for g in machine.get_attribute("groupSet")["groupSet"]]
        machine.modify_attribute("groupset", mine + [ec2.get_security_group("default").id])
        machine.update()
        both = sorted(g.name for g in machine.groups)
        machine.modify_attribute("groupset", mine)
        there = (machine.placement, machine.launch_time) == (master.placement, master.launch_time)
        known = (machine.ip_address, machine.private_ip_address) == (master.ip_address, master.private_ip_address)
        named = (machine.public_dns_name, machine.private_dns_name) == (master.public_dns_name, master.private_dns_name)
        f.write("%s %s %s %s\n" % (" ".join(both), there, known, named))
        try:
            ec2.get_zone("nowhere")
        except exception.ZoneDoesNotExist, e:
            f.write("%s\n" % e.msg)
