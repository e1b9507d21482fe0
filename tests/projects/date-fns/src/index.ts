import { addBusinessDays, differenceInCalendarDays, format, formatDistance, parseISO } from 'date-fns';
import { de } from 'date-fns/locale';

export default {
    fetch() {
        const day = parseISO('2026-01-30T12:00:00Z');
        return Response.json({
            due: format(addBusinessDays(day, 3), 'yyyy-MM-dd'),
            days: differenceInCalendarDays(parseISO('2026-03-01'), day),
            long: format(day, 'EEEE, d. MMMM yyyy', { locale: de }),
            ago: formatDistance(day, parseISO('2026-02-02T12:00:00Z'), { addSuffix: true }),
        });
    },
};
