# starcluster.utils, all of it.
from starcluster import exception
from starcluster import utils
from starcluster.utils import print_timing
from starcluster.clustersetup import ClusterSetup


@print_timing
def quick():
    return 'quick'


class Toolbox(ClusterSetup):
    @print_timing("Opening the toolbox")
    def run(self, nodes, master, user, user_shell, volumes):
        if master.ssh.path_exists('/var/tmp/toolbox'):
            return  # done at the start
        d = utils.AttributeDict(a=1)
        d.b = 2
        spinner = utils.get_spinner("Looking for the hammer...")
        spinner.stop()
        chunks = [list(c) for c in utils.chunk_list(range(5), 2)]
        iso = master.launch_time
        when = utils.iso_to_datetime_tuple(iso)
        valid = [('device', utils.is_valid_device, ['/dev/sdz', '/dev/null']),
                 ('partition', utils.is_valid_partition, ['/dev/sdz99', '/dev/sda']),
                 ('hostname', utils.is_valid_hostname, ['node001', 'no de']),
                 ('url', utils.is_url, ['https://example.org/x', 'example'])]
        f = utils.string_to_file('line 1\nline 2\n', 'somewhere')
        lines = [
            ('attribute', d['b'] / d['a']), ('password', len(utils.generate_passwd(12))), ('chunks', chunks),
            ('iso again', utils.datetime_tuple_to_iso(when) == iso),
            ('milliseconds', utils.iso_to_javascript_timestamp(iso) == 1000 * utils.iso_to_unix_time(iso)),
            ('local', utils.iso_to_localtime_tuple(iso).strftime('%Y-%m-%d %H:%M:%S') == master.local_launch_time),
            ('elapsed', utils.get_elapsed_time(iso).split(',')[0]),
            ('which', utils.which('sh')[-3:]), ('required', utils.has_required(['sh'])),
            ('passwd', isinstance(master.getpwnam('root'), utils.struct_passwd)),
            ('group', isinstance(master.getgrnam('root'), utils.struct_group)),
            ('class', utils.get_fq_class_name(self)), ('file', f.name), ('second', f.readlines()[1].strip()),
            ('timed', quick())]
        lines += [('valid ' + what, filter(ask, words)) for what, ask, words in valid]
        try:
            utils.check_required(['no-such-program'])
        except exception.CommandNotFound, e:
            lines.append(('missing', 'no-such-program' in str(e)))
        out = master.ssh.remote_file('/var/tmp/toolbox', 'w')
        for what, value in lines:
            out.write('%s: %s\n' % (what, value))
